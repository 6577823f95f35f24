"""What a training set is made of, as one would say it: pure data, checked against the graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from featuregraph import Expr, Graph
from featuregraph.infix import infix
from featuregraph.ir import Node, ahead_of
from featuregraph.shown import nearest
from featuregraph.windows import parse_duration
from stream.errors import BackfillError
from stream.trainset.inputs import Inputs

ROW, TIME = "row", "time"
POPULARITY, CATALOGUE = "popularity", "catalogue"
SPLITS: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("train",),
    2: ("train", "test"),
    3: ("train", "validation", "test"),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training set is made of.

    Args:
        at: the event at whose rows is asked: just before it, so that it is not seen itself.
        each: "row"; "time", one query per key and time; or a field such as session_id, one query per key and
            value of it, at its first row.
        where: an expression of the event's fields; rows for which it is not true ask nothing.
        before: how long before the row is asked, such as "5m".
        item: the candidate that is the item of a row, from the event's field of that name. The candidates of
            a query are the items of its rows, and negatives.
        label: the column that says which candidates are those of the rows.
        most: how many items of the rows are taken at most, chosen by the seed; None: all.
        negatives: how many other items are drawn for each query.
        sample: "popularity": an item as often as it stands in rows before t; "catalogue": each item alike
            that stands in the catalogue before t.
        popular: the event whose rows tell popularity; None: `at`.
        window: how far back popularity looks, such as "30d"; None: over all.
        catalogue: a file, table or rows: the item, ts_ms if it changes, and the other candidate values.
        seed: draws the negatives. Each query draws by itself: what other queries there are changes nothing.
        split: the shares of train, validation and test, in the order of time; two: train and test.
        cuts: from when on (ms) validation and test begin, instead of shares; one: test.
        gap: the least time between two parts. It is never less than the widest label looks ahead.
        lengths: of lists, by column; those that the graph bounds need none.
        side: where lists are padded; "left": the newest stands at the right end, as in inference.Input.
        exact: keep decimals; else they are the nearest doubles.
        keep_unknown: keep the queries of which a label looks past the end of the events.
        inputs: of a model that was made for one of the graphs: columns are these, in their order and
            datatypes, the key, ts_ms and labels. Each row is what the model is given at that query.
    """

    at: str
    each: str = ROW
    where: Expr | None = None
    before: str | None = None
    item: str | None = None
    label: str = "chosen"
    most: int | None = None
    negatives: int = 0
    sample: str = POPULARITY
    popular: str | None = None
    window: str | None = None
    catalogue: Any = None
    seed: int = 0
    split: Sequence[float] = (80, 10, 10)
    cuts: Sequence[int] = ()
    gap: str | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    side: str = "left"
    exact: bool = False
    keep_unknown: bool = False
    inputs: Inputs | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the names of the parts, in the order of time."""
        return SPLITS[len(self.cuts) + 1 if self.cuts else len(self.split)]

    @property
    def before_ms(self) -> int:
        """Return how long before a row is asked."""
        return 0 if self.before is None else parse_duration(self.before, "before")

    @property
    def window_ms(self) -> int | None:
        """Return how far back popularity looks."""
        return None if self.window is None else parse_duration(self.window, "window")

    @property
    def gap_ms(self) -> int:
        """Return the least time between parts."""
        return 0 if self.gap is None else parse_duration(self.gap, "gap")

    def to_json(self) -> dict[str, Any]:
        """Return what a card says of it."""
        source = self.catalogue
        return {
            "at": self.at,
            "each": self.each,
            "where": None if self.where is None else infix(self.where.node),
            "before": self.before,
            "item": self.item,
            "label": self.label if self.item else None,
            "most": self.most,
            "negatives": self.negatives,
            "sample": self.sample if self.negatives else None,
            "popular": self.popular,
            "window": self.window,
            "catalogue": str(source)
            if isinstance(source, str | Path)
            else None
            if source is None
            else "given",
            "seed": self.seed,
            "split": list(self.split),
            "cuts": list(self.cuts),
            "gap": self.gap,
            "lengths": dict(self.lengths),
            "side": self.side,
            "exact": self.exact,
            "keep_unknown": self.keep_unknown,
            "inputs": None if self.inputs is None else self.inputs.to_json(),
        }


def checked(recipe: Recipe, graphs: Sequence[Graph]) -> Recipe:
    """Return RECIPE with its item, if it need not be said; raise BackfillError if it does not fit GRAPHS."""
    candidates = sorted({name for graph in graphs for name in graph.candidates})
    if both := sorted({column for graph in graphs for column in graph.key_columns}.intersection(candidates)):
        raise BackfillError(
            f"expected candidates of other names than the columns of the key, found {both[0]} as both;"
            " rename the candidate"
        )
    item = recipe.item
    if item is None and len(candidates) == 1:
        item = candidates[0]
    if item is None and candidates:
        raise BackfillError(
            f"expected which of the candidates {', '.join(candidates)} is the item of a row, found nothing;"
            " say it with item"
        )
    if item is not None and item not in candidates:
        raise BackfillError(
            f"item: expected a candidate of the graph, found {item!r:.60}; {nearest(item, candidates)}"
        )
    for wrong, said in _wrong(recipe, has_item=item is not None):
        if wrong:
            raise BackfillError(said)
    _ = recipe.before_ms, recipe.window_ms, recipe.gap_ms  # refused here, before any work
    return replace(recipe, item=item)


def _wrong(recipe: Recipe, *, has_item: bool) -> list[tuple[bool, str]]:
    """Return each rule as whether it is broken, and what is said then."""
    shares, cuts = tuple(recipe.split), tuple(recipe.cuts)
    return [
        (
            not isinstance(recipe.where, Expr | None),
            f"where: expected an expression such as Buy.n > 0, found {recipe.where!r:.60}; write one",
        ),
        (
            recipe.negatives < 0,
            f"negatives: expected 0 or more, found {recipe.negatives}; correct it",
        ),
        (
            recipe.most is not None and recipe.most < 1,
            f"most: expected 1 or more, found {recipe.most}; correct it, or leave it out",
        ),
        (
            recipe.negatives > 0 and not has_item,
            "negatives: expected a graph with candidates, found none; leave them out",
        ),
        (
            recipe.sample not in (POPULARITY, CATALOGUE),
            f"sample: expected {POPULARITY} or {CATALOGUE}, found {recipe.sample!r:.60}; write one of them",
        ),
        (
            recipe.sample == CATALOGUE and recipe.catalogue is None,
            "sample: expected a catalogue to draw from, found none; give catalogue",
        ),
        (
            recipe.side not in ("left", "right"),
            f"side: expected left or right, found {recipe.side!r:.60}; write one of them",
        ),
        (
            len(shares) not in SPLITS or min(shares) < 0 or not sum(shares) > 0,
            f"split: expected one to three shares like 80/10/10, found {'/'.join(map(str, shares))}; mend it",
        ),
        (
            len(cuts) + 1 not in SPLITS or sorted(set(cuts)) != list(cuts),
            f"cuts: expected up to two times that ascend, found {', '.join(map(str, cuts))}; correct them",
        ),
        (
            any(length < 1 for length in recipe.lengths.values()),
            "lengths: expected 1 or more for each list, found less; correct it",
        ),
    ]


def last_ms(graph: Graph, node: Node) -> int | None:
    """Return how many ms from t on the last event may lie that NODE reads; None: it does not look ahead."""
    ahead = ahead_of(node)
    return ahead if ahead is None or graph.include_now else ahead - 1


def looks(graphs: Sequence[Graph]) -> int | None:
    """Return the same of all labels of GRAPHS."""
    found = [last_ms(graph, node) for graph in graphs for node in graph.features.values()]
    return max((last for last in found if last is not None), default=None)
