"""A description as text: sections in a fixed order, no colours, no width to fold at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple

from featuregraph.explain.description import ASSUMED, AggregateLine, Description, FeatureLine, describe
from featuregraph.explain.load import Load
from featuregraph.infix import name_of, window_text
from featuregraph.plan import Plan

NAMES_SHOWN, MOVES_SHOWN = 6, 8
# The operators are AutoFeature's; then rows read, values decoded, tests of a row by a filter or a window.
_HEADS = ("", "Retrieve", "Decode", "Filter", "Compute", "rows", "values", "tests")


def explain(plan: Plan, load: Load = ASSUMED) -> str:
    """Return PLAN as text: its nodes, what each pass does, what is shared, what is read under LOAD."""
    about = describe(plan, load)
    sections = (_header, _features, _passes, _moves, _shared, _tracks, _scans, _cells, _history)
    return "\n\n".join("\n".join(section(about)) for section in sections)


def _header(about: Description) -> Iterator[str]:
    yield f"graph {about.graph}"
    rows = [
        ("id", about.id),
        ("key", about.key),
        ("visible", "events at or before t" if about.include_now else "events before t"),
        ("features", f"{len(about.features)} from {len(about.aggregates)} aggregates"),
        ("operators", f"{about.nodes_written} as written, {about.nodes} after the rewrites"),
        *((f"event {name_of(name)}", _fields(fields)) for name, fields in about.events.items()),
        *((f"table {name_of(name)}", told) for name, told in about.tables.items()),
    ]
    for what, given in (("request", about.requests), ("candidate", about.candidates)):
        if given:
            rows.append((what, _fields(given)))
    yield from _columns(rows)


def _fields(fields: object) -> str:
    assert isinstance(fields, dict)
    return ", ".join(f"{name_of(name)} {type}" for name, type in fields.items()) or "no fields"


def _features(about: Description) -> Iterator[str]:
    yield "features"
    for line in about.features:
        yield f"  {name_of(line.name)}: {line.type}; {_looks_back(line)}"
        yield f"    = {line.expression}"
        if line.written is not None:
            yield f"    written {line.written}"
        if not line.windowless:
            yield from (f"    {label:8}{told}" for label, told in _facts(about, line))


def _facts(about: Description, line: FeatureLine) -> Iterator[tuple[str, str]]:
    yield "reads", _names(line.events)
    states = dict.fromkeys(about.aggregates[number].state for number in line.aggregates)
    at_most = f", up to about {_number(line.state_bytes, 'byte')}" if line.state_bytes else ""
    yield "state", "; ".join(states) + at_most
    shares = (
        ("aggregates", line.shares.aggregates),
        ("rows", line.shares.rows),
        ("reads", line.shares.reads),
    )
    told = "; ".join(f"{what} with {_some(names)}" for what, names in shares if names)
    yield "shares", told or "nothing"
    rows, values = _number(line.alone.rows, "row"), _number(line.alone.values, "value")
    yield "saves", f"{rows} read and {values} decoded at each query"


def _some(names: Sequence[str]) -> str:
    """Return NAMES, the first few of them if they are many."""
    if len(names) <= NAMES_SHOWN:
        return _names(names)
    return f"{_names(names[:NAMES_SHOWN])} and {len(names) - NAMES_SHOWN} more"


def _passes(about: Description) -> Iterator[str]:
    yield f"passes: what a query costs that keeps nothing; {about.load}"
    costs = [("as written", about.written), *((line.name, line.cost) for line in about.passes)]
    cells = [(name, *(f"{number:,}" for number in astuple(cost))) for name, cost in costs]
    widths = [max(map(len, column)) for column in zip(_HEADS, *cells, strict=True)]
    for first, *rest in [_HEADS, *cells]:
        numbers = "  ".join(f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield f"  {first:{widths[0]}}  {numbers}"


def _moves(about: Description) -> Iterator[str]:
    yield "moves: the law of each pass, and what it moved"
    for line in about.passes:
        yield f"  {line.name}: {line.law}"
        yield from (f"    {moved}" for moved in line.moved[:MOVES_SHOWN])
        if len(line.moved) > MOVES_SHOWN:
            yield f"    and {len(line.moved) - MOVES_SHOWN} more, which --json gives"
        if not line.moved:
            yield "    nothing"


def _looks_back(line: FeatureLine) -> str:
    if line.windowless:
        return "from the query alone, and tables" if line.looks_up else "from the query alone"
    looks = []
    if line.ahead_ms is not None:
        looks.append(f"label, {window_text(line.ahead_ms)} ahead")
    if line.lifetime:
        looks.append("lifetime")
    elif line.reach_ms is not None:
        looks.append(f"{window_text(line.reach_ms)} back")
    return ", ".join(looks)


def _shared(about: Description) -> Iterator[str]:
    yield "shared aggregates: computed once for several features"
    shared = [line for line in about.aggregates if len(line.features) > 1]
    yield from (f"  {line.expression}: {_names(line.features)}" for line in shared)
    if not shared:
        yield "  none"


def _tracks(about: Description) -> Iterator[str]:
    yield "tracks: the rows that pass one filter, kept once for all their windows"
    for number, track in enumerate(about.tracks, 1):
        served = _count(track.aggregates, "aggregate")
        yield f"  t{number} {track.rows}: {served} in {'; '.join(track.windows)}"
    if not about.tracks:
        yield "  none"


def _scans(about: Description) -> Iterator[str]:
    yield "scans: each event is read once"
    for scan in about.scans:
        yield f"  {name_of(scan.event)}: {window_text(scan.reach_ms)}"
        yield f"    fields   {_names(scan.fields) or 'none'}"
        yield f"    row      {_count(range(scan.slots), 'value')}"
        yield f"    tracks   {', '.join(f't{i + 1}' for i in scan.tracks)}"
        yield f"    windows  {'; '.join(scan.windows)}"
        if scan.early:
            yield f"    early    {' or '.join(scan.early)}"
    if not about.scans:
        yield "  none"


def _cells(about: Description) -> Iterator[str]:
    scanned = [line for line in about.aggregates if line.scanned]
    running = len(about.aggregates) - len(scanned)
    yield f"cells: {running} running, {len(scanned)} computed from their rows at each query"
    yield from (f"  {_cell(line)}" for line in scanned)


def _cell(line: AggregateLine) -> str:
    return f"{line.expression}: {_names(line.features)}"


def _history(about: Description) -> Iterator[str]:
    if about.labels:
        yield f"labels, which only history can tell, so that devices serve the others: {_names(about.labels)}"
    yield f"history: {window_text(about.reach_ms)}"
    if about.lifetime:
        yield f"  lifetime features, which pin the columns they read: {_names(about.lifetime)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(name_of, names))


def _count(things: Sequence[object], name: str) -> str:
    return _number(len(things), name)


def _number(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _columns(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max(len(left) for left, _ in rows)
    return (f"  {left:{width}}  {right}" for left, right in rows)
