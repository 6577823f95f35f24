"""How many rows a read finds: by an assumption where no events are at hand, else counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from featuregraph.convert import BAD, converter
from featuregraph.types import IDENTIFIER, TIMESTAMP
from featuregraph.windows import MS

EVERY_MS = MS["h"]  # an event of each name so often
HISTORY_MS = 30 * MS["d"]  # of a lifetime

_identifier, _timestamp = converter(IDENTIFIER), converter(TIMESTAMP)


@dataclass(frozen=True, slots=True)
class Load:
    """The rows of one key as a query at T finds them; None: an event of each name every hour."""

    words: str = f"an event of each name an hour, a lifetime of {HISTORY_MS // MS['d']} days"
    t: int = 0
    times: Mapping[str, list[int]] | None = field(default=None, repr=False)  # by event, ascending

    def rows(self, event: str, reach: int | None) -> int:
        """Return how many rows of EVENT there are REACH ms back, None for all."""
        if self.times is None:
            return (HISTORY_MS if reach is None else min(reach, HISTORY_MS)) // EVERY_MS
        times = self.times.get(event, [])
        return len(times) if reach is None else len(times) - bisect_left(times, self.t - reach)


def counted(events: Iterable[Mapping[str, Any]], key: str) -> Load:
    """Return the load of the key with the most EVENTS; KEY is its column."""
    times: dict[str, dict[str, list[int]]] = {}
    for event in events:
        attrs = event.get("attrs")
        raw = event.get(key, attrs.get(key) if isinstance(attrs, Mapping) else None)
        who, name, ts = _identifier(raw), _identifier(event.get("event")), _timestamp(event.get("ts_ms"))
        if BAD in (who, name, ts) or None in (who, name, ts):
            continue
        times.setdefault(str(who), {}).setdefault(str(name), []).append(int(ts))
    if not times:
        return Load("no events", 0, {})
    who, found = max(times.items(), key=lambda pair: sum(map(len, pair[1].values())))
    for one in found.values():
        one.sort()
    last = max(one[-1] for one in found.values())
    count = sum(map(len, found.values()))
    return Load(f"the {count:,} events of {who!r}, asked right after the last", last + 1, found)
