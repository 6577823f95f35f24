"""What is told of each part of a plan when somebody asks: lines of (what, found)."""

from __future__ import annotations

from collections.abc import Iterable

from featuregraph.explain.description import Description, FeatureLine
from featuregraph.infix import name_of, window_text

Fact = tuple[str, str]


def of_event(about: Description, number: int) -> Iterable[Fact]:
    """Return what is told of the event of scan NUMBER."""
    event = about.scans[number].event
    yield "Event", name_of(event)
    for field, type in about.events[event].items():
        yield name_of(field), type


def of_scan(about: Description, number: int) -> Iterable[Fact]:
    """Return what is told of scan NUMBER."""
    scan = about.scans[number]
    dead = sorted(set(about.events[scan.event]) - set(scan.fields))
    yield "Scan of", name_of(scan.event)
    yield "Looks back", window_text(scan.reach_ms)
    yield "Decodes", _names(scan.fields) or "nothing"
    if dead:
        yield "Never decodes", _names(dead)
    if scan.early:
        yield "Drops early", f"unless {' or '.join(scan.early)}"
    yield "Row", f"{scan.slots} {'value' if scan.slots == 1 else 'values'} kept"
    yield "Windows", "; ".join(scan.windows)


def of_track(about: Description, number: int) -> Iterable[Fact]:
    """Return what is told of track NUMBER."""
    track = about.tracks[number]
    yield "Rows", track.rows
    yield "Windows", "; ".join(track.windows)
    yield "Aggregates", f"{len(track.aggregates)}"


def of_aggregate(about: Description, number: int) -> Iterable[Fact]:
    """Return what is told of aggregate NUMBER."""
    line = about.aggregates[number]
    yield "Aggregate", line.expression
    yield "State", line.state
    if line.state_bytes:
        yield "Holds", f"up to about {line.state_bytes:,} bytes"
    yield "Used by", _names(line.features)


def of_feature(about: Description, line: FeatureLine) -> Iterable[Fact]:
    """Return what is told of the feature LINE."""
    yield "Feature", name_of(line.name)
    yield "Type", line.type
    yield "Expression", line.expression
    if line.written is not None:
        yield "Written", line.written
    if line.windowless:
        yield "Looks back", "not at all: from the query alone"
        return
    if line.ahead_ms is not None:
        yield "Looks ahead", f"{window_text(line.ahead_ms)}: a label, which only history can tell"
    if line.lifetime or line.reach_ms is not None:
        yield "Looks back", "lifetime" if line.lifetime else window_text(line.reach_ms)
    yield "Reads", _names(line.events)
    yield "State", "; ".join(dict.fromkeys(about.aggregates[n].state for n in line.aggregates))
    if line.state_bytes:
        yield "Holds", f"up to about {line.state_bytes:,} bytes"
    yield "The cache saves", f"{line.alone.rows:,} rows read and {line.alone.values:,} values decoded a query"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(name_of, names))
