"""A description as a picture: boxes in five layers, from events to features, and lines between them.

An aggregate stands on one window of one track, so that the order of tracks is that of everything right of
them; scans and tracks take turns to be sorted by the mean place of their neighbours, which leaves few
crossings. Boxes then stand as near to their neighbours as their order lets them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from featuregraph.explain import facts
from featuregraph.explain.description import Description
from featuregraph.explain.facts import Fact
from featuregraph.infix import name_of, window_text

LAYERS = ("Events", "Scans", "Rows and windows", "Aggregates", "Features")
EVENT, SCAN, TRACK, AGGREGATE, FEATURE = range(len(LAYERS))
_WIDTHS = (124, 132, 216, 236, 206)
_BETWEEN = 58  # layers
_HEIGHT, _GAP = 26, 5  # of a box
_WINDOW_HEIGHT, _WINDOW_PAD = 22, 4  # of a window inside the box of its track
_GROUP_GAP = 14  # between tracks
_SWEEPS = 8

Part = tuple[int, int]  # the layer and the number of a part in the description


class Box(NamedTuple):
    """One box: where it stands, what it says, and what is told of it when somebody asks."""

    id: str
    layer: int
    label: str
    note: str  # at the right, small
    left: float
    top: float
    width: float
    height: float
    facts: tuple[Fact, ...]


class Line(NamedTuple):
    """A line from one box to another; a track holds its windows without one."""

    source: str
    target: str
    drawn: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes in the order in which they are read, and lines."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    lefts: tuple[float, ...]  # of the layers
    width: float
    height: float


def draw(about: Description) -> Drawing:
    """Return ABOUT as a picture."""
    scans, tracks = _order(about)
    windows = [about.tracks[track].windows for track in range(len(about.tracks))]
    aggregates = sorted(
        range(len(about.aggregates)),
        key=lambda n: (
            tracks.index(about.aggregates[n].track),
            windows[about.aggregates[n].track].index(about.aggregates[n].window),
            n,
        ),
    )
    tops: dict[Part, float] = {}
    tops |= _stacked_aggregates(about, aggregates)
    centres = {number: tops[AGGREGATE, number] + _HEIGHT / 2 for number in aggregates}
    beside = [[centres[a] for a in feature.aggregates] for feature in about.features]
    features = sorted(range(len(about.features)), key=lambda n: (_mean(beside[n]), n))
    tops |= _placed(FEATURE, features, [beside[n] for n in features])
    heights = [_track_height(len(found)) for found in windows]
    tops |= _placed(
        TRACK,
        tracks,
        [[centres[a] for a in about.tracks[n].aggregates] for n in tracks],
        [heights[n] for n in tracks],
        _GROUP_GAP,
    )
    middles = {n: tops[TRACK, n] + heights[n] / 2 for n in tracks}
    tops |= _placed(SCAN, scans, [[middles[t] for t in about.scans[n].tracks] for n in scans], gap=_GROUP_GAP)
    tops |= {(EVENT, n): tops[SCAN, n] for n in scans}
    least = min(tops.values(), default=0.0)
    tops = {part: top - least for part, top in tops.items()}
    boxes = tuple(_boxes(about, tops, scans, tracks, aggregates, features))
    return Drawing(
        boxes=boxes,
        lines=tuple(_lines(about)),
        lefts=tuple(_left(layer) for layer in range(len(LAYERS))),
        width=_left(FEATURE) + _WIDTHS[FEATURE],
        height=max((box.top + box.height for box in boxes), default=0.0),
    )


# ---------------------------------------------------------------- order


def _order(about: Description) -> tuple[list[int], list[int]]:
    """Return the scans and the tracks from top to bottom."""
    scans, tracks = list(range(len(about.scans))), list(range(len(about.tracks)))
    events = {scan.event: number for number, scan in enumerate(about.scans)}
    for _ in range(_SWEEPS):
        at = {number: place for place, number in enumerate(scans)}
        tracks.sort(key=lambda n: (_mean([at[events[e]] for e in about.tracks[n].events]), n))
        at = {number: place for place, number in enumerate(tracks)}
        scans.sort(key=lambda n: (_mean([at[t] for t in about.scans[n].tracks]), n))
    return scans, tracks


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("inf")


# ---------------------------------------------------------------- places


def _left(layer: int) -> float:
    return sum(_WIDTHS[:layer]) + layer * _BETWEEN


def _track_height(windows: int) -> float:
    return _HEIGHT + windows * (_WINDOW_HEIGHT + _WINDOW_PAD) + _WINDOW_PAD


def _stacked_aggregates(about: Description, order: Sequence[int]) -> dict[Part, float]:
    """Return the tops of the aggregates: one under the other, those of a track together."""
    tops: dict[Part, float] = {}
    top, before = 0.0, None
    for number in order:
        track = about.aggregates[number].track
        if before not in (None, track):
            top += _GROUP_GAP
        tops[AGGREGATE, number] = top
        top, before = top + _HEIGHT + _GAP, track
    return tops


def _placed(
    layer: int,
    order: Sequence[int],
    neighbours: Sequence[Sequence[float]],
    heights: Sequence[float] | None = None,
    gap: float = _GAP,
) -> dict[Part, float]:
    """Return the tops of the boxes of LAYER in ORDER, each near the mean of the centres of its NEIGHBOURS."""
    heights = heights or [_HEIGHT] * len(order)
    known = [_mean(found) for found in neighbours if found]
    last = max(known, default=0.0)
    centres = [_mean(found) if found else last for found in neighbours]
    tops = spread([c - h / 2 for c, h in zip(centres, heights, strict=True)], heights, gap)
    return {(layer, number): top for number, top in zip(order, tops, strict=True)}


def spread(wanted: Sequence[float], heights: Sequence[float], gap: float) -> list[float]:
    """Return tops for boxes of HEIGHTS in this order, GAP apart, as near to the WANTED ones as may be.

    Least squares by pooling: boxes that would overlap move together.
    """
    offsets = [0.0]
    for height in heights[:-1]:
        offsets.append(offsets[-1] + height + gap)
    blocks: list[tuple[float, int]] = []  # the sum of what its boxes want, and how many they are
    for top, offset in zip(wanted, offsets, strict=False):
        total, count = top - offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / count:
            more, many = blocks.pop()
            total, count = total + more, count + many
        blocks.append((total, count))
    bases = [total / count for total, count in blocks for _ in range(count)]
    return [base + offset for base, offset in zip(bases, offsets, strict=False)]


# ---------------------------------------------------------------- boxes and lines


def _boxes(
    about: Description,
    tops: Mapping[Part, float],
    scans: Sequence[int],
    tracks: Sequence[int],
    aggregates: Sequence[int],
    features: Sequence[int],
) -> Iterable[Box]:
    def box(id: str, layer: int, number: int, label: str, note: str, told: Iterable[Fact]) -> Box:
        place = _left(layer), tops[layer, number], _WIDTHS[layer], float(_HEIGHT)
        return Box(id, layer, label, note, *place, tuple(told))

    for number in scans:
        event = about.scans[number].event
        count = len(about.events[event])
        yield box(f"e{number}", EVENT, number, name_of(event), f"{count}", facts.of_event(about, number))
    for number in scans:
        scan = about.scans[number]
        note = f"{len(scan.fields)} of {len(about.events[scan.event])}"
        yield box(f"s{number}", SCAN, number, window_text(scan.reach_ms), note, facts.of_scan(about, number))
    for number in tracks:
        track = about.tracks[number]
        whole = box(f"t{number}", TRACK, number, track.rows, "", facts.of_track(about, number))
        yield whole._replace(height=_track_height(len(track.windows)))
        for place, window in enumerate(track.windows):
            yield Box(
                id=f"w{number}.{place}",
                layer=TRACK,
                label=window,
                note="",
                left=whole.left + 8,
                top=whole.top + _HEIGHT + place * (_WINDOW_HEIGHT + _WINDOW_PAD),
                width=whole.width - 16,
                height=_WINDOW_HEIGHT,
                facts=(("Window", window), ("Rows", track.rows)),
            )
    for number in aggregates:
        line = about.aggregates[number]
        note = "" if line.scanned else "state"
        yield box(f"a{number}", AGGREGATE, number, line.computes, note, facts.of_aggregate(about, number))
    for number in features:
        one = about.features[number]
        yield box(f"f{number}", FEATURE, number, name_of(one.name), one.type, facts.of_feature(about, one))


def _lines(about: Description) -> Iterable[Line]:
    events = {scan.event: number for number, scan in enumerate(about.scans)}
    for number in range(len(about.scans)):
        yield Line(f"e{number}", f"s{number}", drawn=True)
    for number, track in enumerate(about.tracks):
        yield from (Line(f"s{events[event]}", f"t{number}", drawn=True) for event in track.events)
        yield from (Line(f"t{number}", f"w{number}.{p}", drawn=False) for p in range(len(track.windows)))
    for number, line in enumerate(about.aggregates):
        place = about.tracks[line.track].windows.index(line.window)
        yield Line(f"w{line.track}.{place}", f"a{number}", drawn=True)
    for number, feature in enumerate(about.features):
        yield from (Line(f"a{aggregate}", f"f{number}", drawn=True) for aggregate in feature.aggregates)
