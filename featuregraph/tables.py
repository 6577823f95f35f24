"""Tables as of a time (SEMANTICS 10): declared beside events, looked up by key in any expression.

    class Product(fg.Table, key=fg.identifier):
        brand = fg.category()
        price = fg.decimal(2)

    brands = fg.rows(View).distinct(Product[View.item_id].brand)

Inside a stream a look-up is as of the row's time, elsewhere as of the query's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from featuregraph.bounds import bounded, named
from featuregraph.errors import CompileError, UnknownFieldError
from featuregraph.expr import Expr, Value, Windows, each_window, lift, lit
from featuregraph.ir import Node, Op, toposort
from featuregraph.place import here, placed
from featuregraph.schema import Declared, TypeLike, camel, declared_fields, named_fields, snake, type_of
from featuregraph.shown import nearest, shown
from featuregraph.types import Type

if TYPE_CHECKING:
    from featuregraph.graph import Graph

# Columns of every table's file, so that no field is called like them.
RESERVED = frozenset({"key", "ts_ms"})
_NO_KEYS = frozenset({"float64", "vector"})  # equal values of these are no equal keys


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table's name, the type of its key, whether its rows change with time, and its fields by name."""

    name: str
    key: Type
    changing: bool
    fields: tuple[tuple[str, Type], ...]

    @staticmethod
    def of(name: object, key: Type, fields: Mapping[str, Type], *, changing: object = False) -> TableSchema:
        """Return the schema, or raise CompileError naming the part that breaks a rule."""
        table = named(name, "expected a table name")
        if key.kind in _NO_KEYS:
            raise CompileError(
                f"table {table!r}: expected a key of another type than {' and '.join(sorted(_NO_KEYS))}, "
                f"found {key}; take an identifier or an int64"
            )
        if not isinstance(changing, bool):
            raise CompileError(
                f"table {table!r}: expected changing as true or false, found {shown(changing)}; write one"
            )
        for field in fields:
            named(field, f"table {table!r}: expected a field name")
            if field in RESERVED:
                raise CompileError(
                    f"table {table!r}: expected a field of the application, found {field!r}, "
                    "which is a column of every table; rename it"
                )
        return TableSchema(table, key, changing, tuple(sorted(fields.items())))

    def look_up(self, key: Node, field: object) -> Node:
        """Return FIELD of the row of KEY, which has the type of the table's key, or both are text."""
        if not isinstance(key.type, Type) or not (
            key.type is self.key or (key.type.is_text and self.key.is_text)
        ):
            raise CompileError(
                f"table {self.name!r}: expected a key of type {self.key}, found {key.type}; "
                f"cast it, or look up by another value"
            )
        for name, type in self.fields:
            if name == field:
                attrs = {"table": self.name, "field": name, "key": self.key, "changing": self.changing}
                return bounded(Node(Op.TABLE, type, (key,), **attrs))
        raise UnknownFieldError(
            f"table {self.name!r}: expected a declared field, found {field!r}; "
            f"{nearest(field, [name for name, _ in self.fields])}"
        )


class LookUp:
    """The row of one key: its attributes are the table's fields, as are LookUp["awkward name"]."""

    __slots__ = ("_key", "_schema")

    def __init__(self, schema: TableSchema, key: Expr | Windows) -> None:
        self._schema = schema
        self._key = key

    def __getitem__(self, field: str) -> Expr | Windows:
        def one(key: object) -> Expr:
            lifted = lift(key)
            node = self._schema.look_up(lifted.node, field)
            return Expr(node, lifted.schemas | {self._schema}, here())

        with placed():
            return each_window(self._schema.name, one, self._key)

    def __getattr__(self, field: str) -> Expr | Windows:
        if field.startswith("__"):  # Python's own protocols ask for those
            raise AttributeError(field)
        return self[field]

    def __repr__(self) -> str:
        return f"<row of {self._schema.name!r} by {self._key!r}>"


T = TypeVar("T", bound="Table")


class _Tables(Declared):
    """Class of the declared tables: Product[key] is the row of a key, Table(name, key=...) declares one."""

    table: TableSchema

    if TYPE_CHECKING:  # the row has the class's own attributes, so that editors complete them

        def __getitem__(cls: type[T], key: Value | Windows) -> type[T]: ...  # type: ignore[override,misc]  # noqa: N805 - a class's class

    else:

        def __getitem__(cls, key: object) -> LookUp:  # noqa: N805 - a class's class
            with placed():
                if cls is Table:
                    raise CompileError("Table: expected a declared table, found the base itself; declare one")
                known = isinstance(key, Expr | Windows)
                return LookUp(cls.table, key if known else lit(key, cls.table.key))


class Table(metaclass=_Tables):
    """Base of the declared tables: class Product(fg.Table, key=fg.identifier, changing=True)."""

    def __init_subclass__(
        cls, *, key: TypeLike | None = None, changing: bool = False, name: str | None = None, **rest: Any
    ) -> None:
        super().__init_subclass__(**rest)
        with placed():
            if key is None:
                raise CompileError(
                    f"{cls.__name__}: expected the type of the table's key, found none; "
                    f"write class {cls.__name__}(fg.Table, key=fg.identifier)"
                )
            cls._fields = declared_fields(cls)
            for field in cls._fields.values():
                field.of_table = cls.__name__
            types_of = {field: declared.type for field, declared in cls._fields.items()}
            cls.table = TableSchema.of(
                snake(cls.__name__) if name is None else name, type_of(key), types_of, changing=changing
            )

    @staticmethod
    def of(name: str, fields: Mapping[str, TypeLike], *, key: TypeLike, changing: bool = False) -> Any:
        """Return a table made at run time: fg.Table.of("rate", {"r": fg.float64}, key=fg.int64).

        Its fields are known when it runs, so that type checkers take any.
        """
        with placed():
            body = named_fields(fields)
            return _Tables(camel(name), (Table,), body, name=name, key=key, changing=changing)

    @staticmethod
    def of_graph(graph: Graph, *, changing: bool = False, name: str | None = None) -> Any:
        """Return the table whose fields are the features of GRAPH, by its key, as `headrace table` fills it.

        The key of a graph of several columns is their text in one, as fg.cross makes it. Its fields are known
        when it runs, so that type checkers take any.

            Items = fg.Table.of_graph(item, changing=True)
            popular = fg.rows(View).max(Items[View.item_id].views_7d)

        Raises:
            CompileError: a feature is no single value, or needs what only a query brings.
        """
        with placed():
            if unfit := [f"{feature} ({why})" for feature, why in _unfit(graph)]:
                raise CompileError(
                    f"graph {graph.name!r}: expected features that are one value of a key, found"
                    f" {', '.join(unfit)}; make the table of a graph without them"
                )
            types = {feature: cast("Type", node.type) for feature, node in graph.features.items()}
            key = "identifier" if len(graph.key_columns) == 1 else "category"
            return Table.of(name or graph.name, types, key=key, changing=changing)


def _unfit(graph: Graph) -> Iterator[tuple[str, str]]:
    """Give the features of GRAPH that no table can hold, and why."""
    for feature, node in graph.features.items():
        given = sorted({n["name"] for n in toposort([node]) if n.op in (Op.REQUEST, Op.CANDIDATE)})
        if feature in graph.labels:
            yield feature, "a label"
        elif given:
            yield feature, f"asks for {given[0]}"
        elif not isinstance(node.type, Type):
            yield feature, str(node.type)


def tables_of(*values: object) -> frozenset[TableSchema]:
    """Return the tables that VALUES look into."""
    return frozenset(
        schema
        for value in values
        if isinstance(value, Expr) and hasattr(value, "schemas")
        for schema in value.schemas
        if isinstance(schema, TableSchema)
    )
