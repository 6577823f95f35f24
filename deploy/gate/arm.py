"""What the devices of one release report, to a gate: each device one coin per event, tossed once. Pure.

1. A device enters in the minute of its first word of the release.
2. It is hit by an event when the event is first told of it within `watch` minutes after its entry. What comes
   later, or again, counts nothing: reports of one device hang together, devices do not.
3. It is settled once these minutes are over, whether it was hit or not, and whether it said anything or not.
4. Minutes are of the service's clock: a device's own clock decides nothing.

Who keeps the arm keeps a `Seen` per device besides. An arm is bounded by `watch`: settled minutes are
added up. An arm that begins empty, and is given what is `Seen` already, is what its reports add to another.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

from deploy.gate.totals import Totals
from deploy.gate.view import View, events
from deploy.wire.report import Counts, Report

_NOTHING = Counts()


class Seen(Struct, frozen=True):
    """What is known of one device in one release."""

    minute: int  # of its entry
    hits: frozenset[str] = frozenset()


class Entrants(Struct):
    """Devices that entered in one minute, or all that are settled."""

    devices: int = 0
    hits: dict[str, int] = {}


class Tosses(NamedTuple):
    """One event in one arm, in devices."""

    entered: int
    hits: int  # of those
    settled: int
    settled_hits: int


class Arm(Struct):
    """All that was told of one release; changed in place by `take`."""

    settled: Entrants = field(default_factory=Entrants)
    open: dict[int, Entrants] = {}  # by minute of entry
    last: int = -1  # minute of the last report
    totals: Totals = field(default_factory=Totals)

    @property
    def entered(self) -> int:
        """Return how many devices entered."""
        return self.settled.devices + sum(each.devices for each in self.open.values())

    def take(self, report: Report, seen: Seen | None, minute: int, view: View) -> Seen:
        """Count REPORT, received in MINUTE, of a device of which SEEN is known; return what is known now.

        Args:
            report: of this arm's release, and never taken before.
            seen: what the last call for this device returned.
            minute: since 1970, by the service's clock.
            view: what is looked at; one for all calls.
        """
        if minute > self.last:
            self.last = minute
            self.settle(minute, view.watch)
        if seen is None:
            seen = Seen(minute)
            self.open.setdefault(minute, Entrants()).devices += 1
        if report.counts != _NOTHING:
            self.totals.add(report.counts, view)
        if minute - seen.minute >= view.watch:
            return seen
        fresh = frozenset(events(report, view)) - seen.hits
        if not fresh:
            return seen
        hits = self.open.setdefault(seen.minute, Entrants()).hits
        for event in fresh:
            hits[event] = hits.get(event, 0) + 1
        return Seen(seen.minute, seen.hits | fresh)

    def settle(self, minute: int, watch: int) -> None:
        """Add up the minutes whose devices have had their time at MINUTE."""
        for past in [each for each in self.open if minute - each >= watch]:
            entrants = self.open.pop(past)
            self.settled.devices += entrants.devices
            for event, hits in entrants.hits.items():
                self.settled.hits[event] = self.settled.hits.get(event, 0) + hits

    def tosses(self, event: str, minute: int, watch: int) -> Tosses:
        """Return how EVENT stands at MINUTE."""
        settled, settled_hits = self.settled.devices, self.settled.hits.get(event, 0)
        entered, hits = settled, settled_hits
        for past, entrants in self.open.items():
            found = entrants.hits.get(event, 0)
            entered += entrants.devices
            hits += found
            if minute - past >= watch:
                settled += entrants.devices
                settled_hits += found
        return Tosses(entered, hits, settled, settled_hits)
