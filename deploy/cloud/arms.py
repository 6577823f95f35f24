"""The devices of releases that gates lead, in the database: `gate.arm` as rows.

1. A report is counted in the transaction that keeps it. What a batch adds is an arm of its own, begun empty
   with what is known of its devices (`Arm.take`), so that the law of devices is the gate's and nothing else.
2. Who enters is decided by the key of a row: of two processes with the first reports of one device one makes
   it, and the other waits and finds it there.
3. Entrants are sums, added to; once their minutes are over they are added up under SETTLED.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, delete, func, select, tuple_

from deploy.cloud.database import INSERT
from deploy.cloud.tables import COUNTER, ENTRANT, SEEN
from deploy.gate.arm import Arm, Entrants, Seen
from deploy.gate.totals import Totals
from deploy.gate.view import View
from deploy.wire.report import Report

SETTLED: Final = -1
MANY: Final = 1_000  # rows of one statement
_ALL: Final = ""


def take(connection: Connection, reports: Sequence[Report], views: Mapping[str, View], minute: int) -> None:
    """Count those of REPORTS, which came in MINUTE and never before, that are of a release with a view."""
    by_release: dict[str, list[Report]] = {}
    for report in reports:
        if report.release in views:
            by_release.setdefault(report.release, []).append(report)
    for release, told in sorted(by_release.items()):  # in one order, so that two writers never wait in a ring
        _take(connection, release, told, views[release], minute)


def read(connection: Connection, release: str, view: View) -> Arm:
    """Return the arm of RELEASE."""
    arm = Arm(last=_last(connection, release), totals=_totals(connection, release, view))
    query = select(ENTRANT.c.minute, ENTRANT.c.event, ENTRANT.c.devices).where(ENTRANT.c.release == release)
    for minute, event, devices in connection.execute(query):
        one = arm.settled if minute == SETTLED else arm.open.setdefault(minute, Entrants())
        if event == _ALL:
            one.devices += devices
        else:
            one.hits[event] = one.hits.get(event, 0) + devices
    return arm


def settle(connection: Connection, release: str, minute: int, watch: int) -> None:
    """Add up the entrants of RELEASE whose time is over at MINUTE."""
    mine = (ENTRANT.c.release == release, ENTRANT.c.minute != SETTLED, ENTRANT.c.minute <= minute - watch)
    gone = delete(ENTRANT).where(*mine).returning(ENTRANT.c.event, ENTRANT.c.devices)
    sums: dict[tuple[int, str], int] = {}
    for event, devices in connection.execute(gone):
        sums[SETTLED, event] = sums.get((SETTLED, event), 0) + devices
    _add(connection, release, sums)


def forget(connection: Connection, releases: Collection[str], most: int = 10_000) -> bool:
    """Let go of MOST devices of RELEASES that no gate leads any more; tell whether there may be others.

    Their counts stay. A transaction is bounded, since reports wait for it.
    """
    some = select(SEEN.c.release, SEEN.c.device).where(SEEN.c.release.in_(releases)).limit(most)
    gone = delete(SEEN).where(tuple_(SEEN.c.release, SEEN.c.device).in_(some))
    return connection.execute(gone).rowcount == most


def _take(connection: Connection, release: str, reports: list[Report], view: View, minute: int) -> None:
    devices = {report.device: _hashed(report.device) for report in reports}
    events = sorted(view.events)
    before = dict(_known(connection, release, sorted(devices.values()), minute, events))
    after, added = dict(before), Arm()
    for report in reports:
        device = devices[report.device]
        after[device] = added.take(report, after.get(device), minute, view)
    moved = {
        device: seen
        for device, seen in after.items()
        if seen.hits != (before[device].hits if device in before else frozenset())
    }
    _save(connection, release, moved, events)
    _add(connection, release, dict(_sums(added)))


def _known(
    connection: Connection, release: str, devices: list[bytes], minute: int, events: list[str]
) -> Iterator[tuple[bytes, Seen]]:
    """Let those of DEVICES that are new enter in MINUTE; yield the others."""
    query = INSERT[connection.dialect.name](SEEN).on_conflict_do_nothing().returning(SEEN.c.device)
    for begin in range(0, len(devices), MANY):
        some = devices[begin : begin + MANY]
        found = dict(_found(connection, release, some, events))
        if lacking := [each for each in some if each not in found]:
            rows = [{"release": release, "device": each, "minute": minute, "hits": 0} for each in lacking]
            fresh = {bytes(each) for each in connection.execute(query, rows).scalars()}
            found.update(_found(connection, release, [each for each in lacking if each not in fresh], events))
        yield from found.items()


def _found(
    connection: Connection, release: str, devices: list[bytes], events: list[str]
) -> Iterator[tuple[bytes, Seen]]:
    if not devices:
        return
    query = select(SEEN.c.device, SEEN.c.minute, SEEN.c.hits)
    query = query.where(SEEN.c.release == release, SEEN.c.device.in_(devices)).order_by(SEEN.c.device)
    for device, minute, hits in connection.execute(query.with_for_update()):
        yield bytes(device), Seen(minute, _names(hits, events))


def _save(connection: Connection, release: str, moved: Mapping[bytes, Seen], events: list[str]) -> None:
    if not moved:
        return
    rows = [
        {"release": release, "device": device, "minute": seen.minute, "hits": _bits(seen.hits, events)}
        for device, seen in sorted(moved.items())
    ]
    query = INSERT[connection.dialect.name](SEEN)  # all are there: many rows in one statement, see `kept`
    query = query.on_conflict_do_update(
        index_elements=[SEEN.c.release, SEEN.c.device], set_={"hits": query.excluded.hits}
    )
    connection.execute(query.returning(SEEN.c.minute), rows).all()


def _sums(arm: Arm) -> Iterator[tuple[tuple[int, str], int]]:
    for minute, entrants in sorted(arm.open.items()):
        if entrants.devices:
            yield (minute, _ALL), entrants.devices
        for event, hits in sorted(entrants.hits.items()):
            yield (minute, event), hits


def _add(connection: Connection, release: str, sums: Mapping[tuple[int, str], int]) -> None:
    if not sums:
        return
    rows = [
        {"release": release, "minute": m, "event": event, "devices": devices}
        for (m, event), devices in sorted(sums.items())
    ]
    query = INSERT[connection.dialect.name](ENTRANT)
    query = query.on_conflict_do_update(
        index_elements=[ENTRANT.c.release, ENTRANT.c.minute, ENTRANT.c.event],
        set_={"devices": ENTRANT.c.devices + query.excluded.devices},
    )
    connection.execute(query.returning(ENTRANT.c.minute), rows).all()


def _last(connection: Connection, release: str) -> int:
    last = connection.execute(select(func.max(COUNTER.c.minute)).where(COUNTER.c.release == release)).scalar()
    return -1 if last is None else int(last)


def _totals(connection: Connection, release: str, view: View) -> Totals:
    """Return the values by bin of the features that VIEW looks at."""
    drift = {feature: [0] * bins for feature, bins in view.bins.items()}
    if drift:
        query = select(COUNTER.c.name, func.sum(COUNTER.c.value)).where(COUNTER.c.release == release)
        query = query.where(COUNTER.c.name.like("drift:%")).group_by(COUNTER.c.name)
        for name, value in connection.execute(query):
            feature, _, place = name.removeprefix("drift:").rpartition(":")
            if feature in drift and int(place) < len(drift[feature]):
                drift[feature][int(place)] += int(value)
    return Totals(drift={feature: bins for feature, bins in drift.items() if any(bins)})


def _hashed(device: str) -> bytes:
    return hashlib.blake2b(device.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _bits(hits: Collection[str], events: Sequence[str]) -> int:
    return sum(1 << place for place, event in enumerate(events) if event in hits)


def _names(bits: int, events: Sequence[str]) -> frozenset[str]:
    return frozenset(event for place, event in enumerate(events) if bits >> place & 1)
