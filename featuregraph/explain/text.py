"""A description as text: sections in a fixed order, no colours, no width to fold at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from featuregraph.explain.description import AggregateLine, Description, FeatureLine, describe
from featuregraph.infix import name_of, window_text
from featuregraph.plan import Plan


def explain(plan: Plan) -> str:
    """Return PLAN as text: its nodes, what is shared, which windows each scan serves."""
    about = describe(plan)
    sections = (_header, _features, _shared, _tracks, _scans, _cells, _history)
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


def _looks_back(line: FeatureLine) -> str:
    if line.windowless:
        return "from the query alone"
    return "lifetime" if line.lifetime else f"{window_text(line.reach_ms)} back"


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
    yield f"history: {window_text(about.reach_ms)}"
    if about.lifetime:
        yield f"  lifetime features, which pin the columns they read: {_names(about.lifetime)}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(name_of, names))


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _columns(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = max(len(left) for left, _ in rows)
    return (f"  {left:{width}}  {right}" for left, right in rows)
