"""The columns of a training set: what each stands for, and which lists become arrays of one length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from featuregraph import Graph, Plan
from featuregraph.ir import Node
from featuregraph.shown import nearest
from featuregraph.types import ListType, RecordType
from stream.backfill.output import column_of
from stream.errors import BackfillError
from stream.trainset import padding
from stream.trainset.recipe import Recipe, last_ms

_GIVEN = frozenset({"request", "candidate"})
CANDIDATES = "candidates"  # whose mask and length are those of all lists with one value per candidate


@dataclass(frozen=True, slots=True)
class Form:
    """One column.

    Args:
        name: what it is called.
        place: which column of replay's table it is.
        role: key, time, request, candidate, chosen, feature or label.
        past: of a label, how many ms from t on its last one may lie; None: it does not look ahead.
        of: whose mask and length it shares; None: it stays as it is.
        length: of its arrays; None: as long as each list is.
        side: where it is padded.
        fill: whether a null entry becomes the padding, as inference.Input has it of lists.
    """

    name: str
    role: str
    place: int = -1
    past: int | None = None
    of: str | None = None
    length: int | None = None
    side: str = "right"
    fill: bool = False


def forms(recipe: Recipe, plans: Sequence[Plan], widest: int) -> list[Form]:
    """Return the columns in the order in which replay gives them.

    A feature called like a request or a candidate stands in its place: it is what a model is given.

    widest: how many candidates a query has at most.

    Raises:
        BackfillError: a length is of no list, or too short for the candidates, or two columns share a name.
    """
    graphs = [plan.graph for plan in plans]
    length = _candidates(recipe, widest) if widest else None
    given = [*_given(recipe, graphs, length)]
    made = [
        form
        for graph in graphs
        for name, node in graph.features.items()
        for form in _of(graph, name, node, recipe, length, among=len(graphs))
    ]
    features = {form.name for form in made}
    placed = [replace(form, place=place) for place, form in enumerate([*given, *made])]
    found = [form for form in placed if form.role not in _GIVEN or form.name not in features]
    lists = sorted({form.of for form in found if form.of})
    if wrong := [name for name in recipe.lengths if name not in lists]:
        raise BackfillError(f"lengths: expected a list, found {wrong[0]!r:.60}; {nearest(wrong[0], lists)}")
    names = [form.name for form in found] + [
        f"{name}.{part}" for name in lists for part in ("mask", "length")
    ]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BackfillError(
            f"expected columns of different names, found {twice[0]!r:.60} twice; rename the feature"
        )
    return found


def _candidates(recipe: Recipe, widest: int) -> int:
    wanted = recipe.lengths.get(CANDIDATES, widest)
    if wanted < widest:
        raise BackfillError(
            f"lengths: expected room for the {widest} candidates of a query, found {CANDIDATES} {wanted};"
            " give more, or fewer with most"
        )
    return wanted


def _given(recipe: Recipe, graphs: Sequence[Graph], length: int | None) -> Iterator[Form]:
    keys = dict.fromkeys(column for graph in graphs for column in graph.key_columns)
    yield from (Form(name, "key") for name in keys)
    yield Form("ts_ms", "time")
    yield from (
        Form(name, "request")
        for name in dict.fromkeys(n for g in graphs for n in g.requests)
        if name not in keys
    )
    names = list(dict.fromkeys(name for graph in graphs for name in graph.candidates))
    first = [name for name in names if name == recipe.item]
    for name in (*first, *(name for name in names if name != recipe.item)):
        yield Form(name, "candidate", of=CANDIDATES, length=length)
    if names:
        yield Form(recipe.label, "chosen", of=CANDIDATES, length=length)


def _of(
    graph: Graph, name: str, node: Node, recipe: Recipe, length: int | None, *, among: int
) -> Iterator[Form]:
    column = column_of(graph, name, among=among)
    past = last_ms(graph, node)
    role = "feature" if past is None else "label"
    if node.per_candidate:
        yield Form(column, role, past=past, of=CANDIDATES, length=length)
    elif isinstance(node.type, RecordType):
        size = recipe.lengths.get(column, _bound(node, "n"))
        for item, _ in node.type.items:
            yield Form(
                f"{column}.{item}", role, past=past, of=column, length=size, side=recipe.side, fill=True
            )
    elif isinstance(node.type, ListType):
        size = recipe.lengths.get(column, _bound(node, "k"))
        yield Form(column, role, past=past, of=column, length=size, side=recipe.side, fill=True)
    else:
        yield Form(column, role, past=past)


def _bound(node: Node, name: str) -> int | None:
    """Return how long the list of NODE can be, as far as it says so itself."""
    found = dict(node.attrs).get(name)
    return found if isinstance(found, int) else None


def shaped(forms: Sequence[Form], table: pa.Table, *, exact: bool) -> pa.Table:
    """Return the columns of TABLE, one chunk each, as FORMS say, with a mask and a length for each list."""
    columns: dict[str, pa.Array] = {}
    real: dict[str, tuple[pa.Array, pa.Array]] = {}
    for form in forms:
        column = whole(table.column(form.place))
        column = column if exact else padding.as_doubles(column)
        if form.of is not None and form.length is not None and pa.types.is_list(column.type):
            if form.of not in real:
                counts = padding.counts_of(column)
                mask = padding.mask_of(counts, form.length, form.side)
                real[form.of] = padding.masks(mask), pa.array(mask.sum(axis=1, dtype="int32"))
            column = padding.padded(column, form.length, side=form.side, fill=form.fill)
        columns[form.name] = column
    for name, (mask, length) in real.items():
        columns |= {f"{name}.mask": mask, f"{name}.length": length}
    return pa.table(columns)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return COLUMN as one array."""
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def described(forms: Sequence[Form], schema: pa.Schema) -> list[Mapping[str, object]]:
    """Return what a card says of the columns of SCHEMA."""
    by_name = {form.name: form for form in forms}
    found: list[Mapping[str, object]] = []
    for name, type in zip(schema.names, schema.types, strict=True):
        form = by_name.get(name)
        role = form.role if form else name.rpartition(".")[2]
        one: dict[str, object] = {"name": name, "type": str(type), "role": role}
        if form is not None and form.of is not None and form.length is not None:
            one |= {"mask": f"{form.of}.mask", "length": form.length, "side": form.side}
        found.append(one)
    return found
