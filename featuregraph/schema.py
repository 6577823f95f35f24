"""What an application declares: events with their fields, requests and candidates (tables: see there).

    class Purchase(fg.Event, name="purchase"):
        item_id = fg.identifier()
        quantity = fg.int64()

A declared field is an expression: `Purchase.quantity * 2` is the start of a feature.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from featuregraph import build, types
from featuregraph.errors import CompileError, UnknownFieldError
from featuregraph.expr import Expr
from featuregraph.ir import Op
from featuregraph.place import Place, here, placed
from featuregraph.shown import MAX_WORD, nearest, shown
from featuregraph.types import Type

# SEMANTICS 1.7: known_ms takes no part in any value; 1.1: attrs is the column that holds fields, not one.
RESERVED = frozenset({"known_ms", "attrs"})


@dataclass(frozen=True, slots=True)
class EventSchema:
    """An event's name and its declared fields, sorted by name."""

    name: str
    fields: tuple[tuple[str, Type], ...]

    @staticmethod
    def of(name: object, fields: Mapping[str, Type]) -> EventSchema:
        """Return the schema, or raise CompileError naming the field that breaks a rule."""
        event = build.named(name, "expected an event name")
        for field, type in fields.items():
            build.named(field, f"event {event!r}: expected a field name")
            if field in RESERVED:
                raise CompileError(
                    f"event {event!r}: expected a field of the application, found {field!r}, "
                    "which is a column that takes no part in any value; take it out"
                )
            if type.kind == "vector":
                raise CompileError(
                    f"event {event!r}, field {field!r}: expected a scalar type, found {type}; "
                    "a vector comes with a request or a candidate"
                )
        return EventSchema(event, tuple(sorted(fields.items())))

    def type_of(self, field: object) -> Type:
        """Return the type of FIELD; raise CompileError with the nearest names if it is not declared."""
        for name, type in self.fields:
            if name == field:
                return type
        raise CompileError(
            f"event {self.name!r}: expected a declared field, found {field!r}; "
            f"{nearest(field, [name for name, _ in self.fields])}"
        )


class Field(Expr):
    """A declared field: it becomes an expression once its class gives it a name."""

    __slots__ = ("field_name", "of_table", "type")

    def __init__(self, type: Type, place: Place | None = None) -> None:
        self.type = type
        self.of_table = ""  # the name of the class, where it declares a table
        self.field_name = ""
        self.place = place or here()

    def __set_name__(self, owner: type, name: str) -> None:
        if not self.field_name:
            self.field_name = name

    def bind(self, op: Op, schema: EventSchema | None) -> Field:
        """Return the expression that this field stands for in its class."""
        bound = Field(self.type, self.place)
        bound.field_name = self.field_name
        node = (
            build.field(self.field_name, self.type)
            if op is Op.FIELD
            else build.given(op, self.field_name, self.type)
        )
        Expr.__init__(bound, node, frozenset([schema]) if schema else frozenset(), self.place)
        return bound

    def __repr__(self) -> str:
        return super().__repr__() if hasattr(self, "node") else f"<Field: {self.type} at {self.place}>"


def int64() -> Field:
    """Declare a whole number of 64 bits."""
    return Field(types.INT64)


def float64() -> Field:
    """Declare an IEEE double; NaN and infinities are null."""
    return Field(types.FLOAT64)


def boolean() -> Field:
    """Declare true or false."""
    return Field(types.BOOLEAN)


def string() -> Field:
    """Declare a text."""
    return Field(types.STRING)


def category() -> Field:
    """Declare a text out of few, stored as a dictionary."""
    return Field(types.CATEGORY)


def identifier() -> Field:
    """Declare an opaque text; a whole number stands for its decimal text."""
    return Field(types.IDENTIFIER)


def timestamp() -> Field:
    """Declare a point in time, int64 milliseconds UTC."""
    return Field(types.TIMESTAMP)


def decimal(scale: int) -> Field:
    """Declare an exact decimal with SCALE digits (0 to 18) after the point."""
    with placed():
        return Field(types.decimal(scale))


def vector(length: int) -> Field:
    """Declare exactly LENGTH float32 numbers; for requests and candidates only."""
    with placed():
        return Field(types.vector(length))


TypeLike = str | Type | Field | Callable[[], Field]


def type_of(wanted: TypeLike) -> Type:
    """Return the type that a text, a field or a field's constructor names."""
    if isinstance(wanted, Type):
        return wanted
    if isinstance(wanted, Field):
        return wanted.type
    if isinstance(wanted, type):
        word = _word(wanted.__name__) or "a word such as fg.int64"
        raise CompileError(f"expected a type, found the Python type {wanted.__name__}; write {word}")
    if callable(wanted):
        try:
            return wanted().type
        except TypeError:  # decimal and vector take a number
            raise CompileError(
                f"expected a whole type, found {shown(wanted)}; write it with its number, as fg.decimal(2)"
            ) from None
    return Type.parse(wanted)


class Declared(type):
    """Class of the declared classes: binds their fields, and reads awkward names as View["count"]."""

    schema: EventSchema | None = None
    _own: Mapping[str, Field] = {}  # what the class itself declares
    _fields: Mapping[str, Field] = {}  # and its bases, as expressions

    def __getitem__(cls, name: str) -> Field:
        with placed():
            if name not in cls._fields:
                raise cls._unknown(name)
        return cls._fields[name]

    def _unknown(cls, name: str) -> UnknownFieldError:
        return UnknownFieldError(
            f"{cls.__name__}: expected a declared field, found {name!r}; {nearest(name, cls._fields)}"
        )

    if not TYPE_CHECKING:  # type checkers find a slip by themselves, as long as they do not see this

        def __getattr__(cls, name: str) -> Field:
            """Answer a misspelled field with the nearest names; hasattr and getattr work as ever."""
            if name.startswith("_"):
                raise AttributeError(name)
            with placed():
                raise cls._unknown(name)

    def _bind(cls, op: Op, declared: Mapping[str, Field], schema: EventSchema | None = None) -> None:
        """Make the DECLARED fields expressions, of SCHEMA's rows if the class is an event."""
        cls.schema = schema
        cls._fields = {name: field.bind(op, schema) for name, field in declared.items()}
        for name, field in cls._fields.items():
            # A name that the class needs for itself, such as schema, is left: cls["schema"] is the field.
            if isinstance(getattr(cls, name, field), Field):
                setattr(cls, name, field)


def declared_fields(cls: Declared) -> dict[str, Field]:
    """Return the fields of a declared class and of its bases by name; a later declaration wins."""
    found: dict[str, Field] = {}
    for base in reversed(cls.__mro__):
        own = _own_fields(base)
        if base is cls or (own and not isinstance(base, Declared)):  # bases that declare were checked
            _check_body(cls.__name__, base)
        found.update(own)
    cls._own = _own_fields(cls)
    return found


def _own_fields(declared: type) -> Mapping[str, Field]:
    """Return the fields in the body of a class, which may be a plain one that others mix in."""
    own = vars(declared).get("_own")
    if isinstance(own, Mapping):
        return own
    return {field.field_name: field for field in vars(declared).values() if isinstance(field, Field)}


# ---------------------------------------------------------------- what stands in a class beside its fields

# The word for each type's name, in Python and in the contract.
_WORDS: Mapping[str, str] = {
    "int": "fg.int64()",
    "float": "fg.float64()",
    "bool": "fg.boolean()",
    "str": "fg.string()",
    "Decimal": "fg.decimal(2)",
    "datetime": "fg.timestamp()",
    **{
        name: f"fg.{name}()"
        for name in ("int64", "float64", "boolean", "string", "category", "identifier", "timestamp")
    },
    "decimal": "fg.decimal(2)",
    "vector": "fg.vector(8)",
}


def _check_body(owner: str, body: type) -> None:
    """Raise CompileError if a public name in the class BODY is no field but looks like one."""
    annotations = inspect.get_annotations(body)
    alone = {name: annotation for name, annotation in annotations.items() if name not in vars(body)}
    slips = {name: _slip(name, value) for name, value in vars(body).items()}
    slips |= {
        name: f"the annotation {_annotated(annotation)} alone; {_advice(name, _annotated(annotation))}"
        for name, annotation in alone.items()
    }
    for name, slip in slips.items():
        if slip and not name.startswith("_") and "ClassVar" not in str(annotations.get(name)):
            raise CompileError(f"{owner}.{name}: expected a field, found {slip}")


def _slip(name: str, value: object) -> str:
    """Return what is found, and the next step, if VALUE is no field and nothing that a class may hold."""
    if isinstance(value, Field):
        other = value.field_name
        return "" if other == name else f"that of {other!r}; {_advice(name, str(value.type))}"
    if isinstance(value, FunctionType) and value.__module__ == __name__:
        return f"the word fg.{value.__name__} itself; {_advice(name, value.__name__)}"
    if isinstance(value, type) and value.__name__ in _WORDS:
        return f"the type {value.__name__}; {_advice(name, value.__name__)}"
    if isinstance(value, ModuleType) or callable(value) or hasattr(type(value), "__get__"):
        return ""  # imports, classes, methods, properties
    wanted = value if isinstance(value, str) and _word(value) else type(value).__name__
    return f"{shown(value)}; {_advice(name, wanted)}, or begin its name with an underscore"


def _annotated(annotation: object) -> str:
    """Return the text of an annotation without its module and its None."""
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.removesuffix(" | None").rpartition(".")[2]


def _advice(name: str, wanted: str) -> str:
    """Return the advice to declare NAME by the word for the type WANTED, or by the one most like it."""
    word = _word(wanted) or next(map(_word, difflib.get_close_matches(wanted[:MAX_WORD], _WORDS, 1)), "")
    if word:
        return f"declare it, as {name} = {word}"
    return "declare it by the word for its type, such as fg.int64() or fg.decimal(2)"


def _word(wanted: str) -> str:
    """Return the word for WANTED, as it is written in a class; nothing if it names no type."""
    with suppress(CompileError):
        return _WORDS.get(wanted) or f"fg.{Type.parse(wanted)}"
    return ""


class Event(metaclass=Declared):
    """Base of the declared events: class Purchase(fg.Event, name="purchase")."""

    def __init_subclass__(cls, *, name: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        with placed():
            declared = declared_fields(cls)
            types_of = {name: field.type for name, field in declared.items()}
            schema = EventSchema.of(snake(cls.__name__) if name is None else name, types_of)
            cls._bind(Op.FIELD, declared, schema)

    @staticmethod
    def of(name: str, fields: Mapping[str, TypeLike]) -> type[Event]:
        """Return an event class made at run time: fg.Event.of("view", {"item_id": fg.identifier()})."""
        with placed():
            return cast("type[Event]", Declared(camel(name), (Event,), named_fields(fields), name=name))


def named_fields(fields: Mapping[str, TypeLike]) -> dict[str, Any]:
    """Return the body of a class that declares FIELDS."""
    # A field's name need not be an attribute's: `Event.of("view", {"of": ...})` declares the field "of".
    namespace: dict[str, Any] = {}
    for position, (name, wanted) in enumerate(fields.items()):
        field = Field(type_of(wanted))
        field.field_name = name
        namespace[f"_field_{position}"] = field
    return namespace


class Request(metaclass=Declared):
    """Base of the declared request values: one each per query."""

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        with placed():
            cls._bind(Op.REQUEST, declared_fields(cls))


class Candidate(metaclass=Declared):
    """Base of the declared candidate values: one each per candidate."""

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        with placed():
            cls._bind(Op.CANDIDATE, declared_fields(cls))


def request(name: str, type: TypeLike) -> Expr:
    """Return a value that comes with the query: fg.request("hour", fg.int64)."""
    with placed():
        return Expr(build.given(Op.REQUEST, name, type_of(type)), frozenset(), here())


def candidate(name: str, type: TypeLike) -> Expr:
    """Return a value that comes once per candidate: fg.candidate("item_id", fg.identifier)."""
    with placed():
        return Expr(build.given(Op.CANDIDATE, name, type_of(type)), frozenset(), here())


def snake(name: str) -> str:
    """Return the name that a class called NAME declares: LineItem stands for line_item."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    """Return a class's name for what is called NAME; whatever NAME holds, it is one."""
    return "".join(part.capitalize() for part in re.split(r"\W|_", str(name)) if part) or "Event"
