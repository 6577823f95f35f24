"""Reading again only what may have changed: a plan cut into sections, each behind a guard.

A section is the features that share an operator, also by way of others. It is settled if its values follow
from its states alone: then they stand until a row enters or leaves a window that it reads. Everything that
waits for the query is one section, which is read each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from featuregraph.aggregates import CATALOGUE
from featuregraph.codegen import Source, compiled, tuple_of
from featuregraph.compiler import read_into
from featuregraph.convert import changeable, is_public, owned
from featuregraph.ir import OF_THE_QUERY, Node, Op, toposort
from featuregraph.nullability import nullable
from featuregraph.plan import Plan
from featuregraph.scalar import OVERFLOW

NEVER_READ = -1
ANY = -2  # in place of a span: any of those whose rows come and go


@dataclass(frozen=True, slots=True)
class Section:
    """Some features of a plan."""

    features: Mapping[str, Node]
    settled: bool

    @property
    def aggregates(self) -> tuple[Node, ...]:
        """Return the aggregates that the features read."""
        return tuple(n for n in toposort(self.features.values()) if n.op is Op.AGG)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an aggregate of a plan is kept: its cell, the span that it stands on."""

    cell: int
    span: int  # below 0: one that moves at each query
    scanned: bool  # it is folded when it is asked for, no state is kept


class Refresher(NamedTuple):
    """What reads again those values of a plan that may have changed.

    refresh(v, s, fold, moved, seen, t, q) writes them into V.
    waits: there is something to read where nothing moved: what waits for the query, or is on the log.
    """

    refresh: Callable[..., list[str]]
    waits: bool


def refresher(plan: Plan, places: Mapping[Node, Place]) -> Refresher:
    """Return what refreshes PLAN's values from the states at PLACES.

    V holds PLAN's values by feature, as `Plan.publish` gives them but for who owns them; S the states by
    cell; fold(cell, t, q) makes the state of one that is not kept. MOVED says per span when its rows changed
    last, at ANY when those of any did, SEEN when V was refreshed: NEVER_READ, or like MOVED a number that
    grows. The result names the features whose values lie outside their types: those of V stay as they were.
    """
    names: dict[str, Any] = {"overflow": OVERFLOW}
    # What stands is copied for each caller, so that here a copy alone would be one too many.
    publishers = {
        name: publish
        for name, publish in plan.publishers.items()
        if not (is_settled(plan.features[name]) and is_public(plan.features[name].type))
    }
    standing: dict[tuple[int, ...], list[str]] = {}  # by the spans that they wait for
    asking: list[str] = []
    for section in sections(plan.features):
        spans = tuple(sorted({places[agg].span for agg in section.aggregates}))
        lines = standing.setdefault(spans, []) if section.settled and min(spans, default=0) >= 0 else asking
        lines += _body(section, places, publishers, names)
    guarded = [line for spans, body in standing.items() for line in _guarded(_moved(*spans), body)]
    lines = ["spoilt = []", *_guarded(_moved(ANY), guarded), *asking, "return spoilt"]
    return Refresher(compiled("v, s, fold, moved, seen, t, q", lines, names), waits=bool(asking))


def _moved(*spans: int) -> str:
    return " or ".join(f"moved[{span}] > seen" for span in spans) or f"seen == {NEVER_READ}"


def _guarded(guard: str, body: Iterable[str]) -> list[str]:
    lines = [f"    {line}" for line in body]
    return [f"if {guard}:", *lines] if lines else []


class Copier(NamedTuple):
    """What makes the values V of a plan a caller's own.

    gather(v) gives the lists and maps of V, once; copied(v, parts) copies them for each caller.
    """

    gather: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    copied: Callable[[Mapping[str, Any], tuple[Any, ...]], dict[str, Any]]


def copier(features: Mapping[str, Node]) -> Copier:
    """Return what copies the values of FEATURES among those of a plan."""
    given: list[str] = []
    copies: list[str] = []
    for name, node in features.items():
        if texts := changeable(node.type, f"v[{name!r}]"):
            parts = [f"p{len(given) + place}" for place in range(len(texts))]
            given += texts
            copied = f"found[{name!r}] = {owned(node.type, parts)}"
            copies.append(f"if {parts[0]} is not None: {copied}" if nullable(node) else copied)
    names = [f"p{place}" for place in range(len(given))]
    unpacked = [f"{tuple_of(names)} = parts"] if names else []
    return Copier(
        compiled("v", [f"return {tuple_of(given)}"], {}),
        compiled("v, parts", [*unpacked, "found = v.copy()", *copies, "return found"], {}),
    )


def _body(
    section: Section,
    places: Mapping[Node, Place],
    publishers: Mapping[str, Callable[[Any], Any]],
    names: dict[str, Any],
) -> list[str]:
    """Return the statements that read SECTION."""
    source = Source({}, names)
    states = {}
    for agg in section.aggregates:
        place = places[agg]
        kept = f"s[{place.cell}]"
        states[agg] = source.assign(f"fold({place.cell}, t, q)") if place.scanned else kept
    texts = read_into(source, section.features, states)
    body = source.lines
    for (name, node), text in zip(section.features.items(), texts, strict=True):
        test = f"{text} is overflow" + (f" or overflow in {text}" if node.per_candidate else "")
        public = f"{source.bind(publishers[name])}({text})" if name in publishers else text
        body += [f"if {test}: spoilt.append({name!r})", f"else: v[{name!r}] = {public}"]
    return body


def sections(features: Mapping[str, Node]) -> list[Section]:
    """Return the sections of FEATURES; each feature is in one of them."""
    settled = {name: node for name, node in features.items() if is_settled(node)}
    asking = {name: node for name, node in features.items() if name not in settled}
    found = [Section({name: settled[name] for name in names}, settled=True) for names in _sharing(settled)]
    return [*found, Section(asking, settled=False)] if asking else found


def is_settled(node: Node) -> bool:
    """Tell whether NODE's value changes only with the rows in its windows.

    What a changing table says of a key changes with t, but for a row's key, where it is as of the row.
    """
    return not any(
        inner.op in OF_THE_QUERY or (inner.op is Op.AGG and CATALOGUE[inner["agg"]].drifts)
        for inner in toposort([node])
    ) and not any(inner.op is Op.TABLE and inner["changing"] for inner in _operators(node))


def _sharing(features: Mapping[str, Node]) -> Iterable[list[str]]:
    """Return the names of FEATURES, those together that share an operator, also by way of others."""
    groups: list[tuple[set[Node], list[str]]] = []
    for name, node in features.items():
        operators, names = _operators(node), [name]
        apart = []
        for group in groups:
            if group[0].isdisjoint(operators):
                apart.append(group)
            else:
                operators |= group[0]
                names = group[1] + names
        groups = [*apart, (operators, names)]
    return (names for _, names in groups)


def _operators(node: Node) -> set[Node]:
    """Return what is computed from states under NODE; literals and aggregates may be read twice."""
    found: set[Node] = set()
    left = [node]
    while left:
        inner = left.pop()
        if inner.op not in (Op.AGG, Op.LIT) and inner not in found:
            found.add(inner)
            left.extend(inner.args)
    return found
