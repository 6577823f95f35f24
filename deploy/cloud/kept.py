"""Reports in the database: each counted once by its id, failures and a sample kept as they came."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from deploy import canonical
from deploy.cloud import arms, days
from deploy.cloud.counters import Totals, tally, totals
from deploy.cloud.database import INSERT, Database
from deploy.cloud.tables import COUNTER, REPORT, REPORTED
from deploy.gate.view import View
from deploy.wire.report import Report

MINUTE_MS: Final = 60_000
KEPT_DAYS: Final = 30  # of ids and of reports: who was offline for longer may be counted twice
MAX_FAILURES: Final = 100  # of one transaction that are kept as they came; all are counted
SAMPLED: Final = "000"  # one of 4,096 reports, by the beginning of its id
MAX_NAMED: Final = 50  # releases whose names are in memory
NO_VIEWS: Final[Mapping[str, View]] = MappingProxyType({})


Names = dict[str, set[str]]  # by release; of each process, so that a bound of names holds for each


class Outcome(NamedTuple):
    """What became of some reports."""

    new: int
    repeated: int
    unknown: int  # of releases that never were: not kept


def keep(
    database: Database,
    reports: Sequence[Report],
    known: Collection[str],
    now_ms: int,
    views: Mapping[str, View] = NO_VIEWS,
    names: Names | None = None,
) -> Outcome:
    """Count those of REPORTS that are new and of a KNOWN release, in one transaction.

    Args:
        database: where they are kept.
        reports: a batch.
        known: releases that ever were.
        now_ms: when they came.
        views: what gates want to know, by the releases that they lead.
        names: under which releases count, as the last call left it; None: read anew.
    """
    fitting = {report.id: report for report in reports if report.release in known}
    if not fitting:
        return Outcome(0, 0, len(reports))
    with database.writing() as connection:
        new = [fitting[name] for name in sorted(_take(connection, sorted(fitting), now_ms // MINUTE_MS))]
        _count(connection, new, now_ms // MINUTE_MS, {} if names is None else names)
        arms.take(connection, new, views, now_ms // MINUTE_MS)
        if rows := list(_worth_keeping(new, now_ms)):
            connection.execute(insert(REPORT), rows)
    unknown = sum(report.release not in known for report in reports)
    return Outcome(len(new), len(reports) - unknown - len(new), unknown)


def since(database: Database, release: str, minute: int) -> Totals:
    """Return what was counted of RELEASE in MINUTE and later."""
    query = select(COUNTER.c.name, func.sum(COUNTER.c.value))
    query = query.where(COUNTER.c.release == release, COUNTER.c.minute >= minute).group_by(COUNTER.c.name)
    with database.reading() as connection:
        return totals((name, int(value)) for name, value in connection.execute(query))


def last(database: Database, release: str, limit: int = 100) -> list[Report]:
    """Return the LIMIT last reports of RELEASE that were kept, the newest first."""
    query = select(REPORT.c.content).where(REPORT.c.release == release).order_by(REPORT.c.came_ms.desc())
    with database.reading() as connection:
        rows = connection.execute(query.limit(max(1, min(limit, 1_000)))).scalars()
        return [msgspec.json.decode(content, type=Report) for content in rows]


def sweep(database: Database, now_ms: int) -> None:
    """Let go of ids and reports that are older than `KEPT_DAYS`."""
    oldest_ms = now_ms - KEPT_DAYS * 86_400_000
    with database.writing() as connection:
        connection.execute(delete(REPORTED).where(REPORTED.c.minute < oldest_ms // MINUTE_MS))
        connection.execute(delete(REPORT).where(REPORT.c.came_ms < oldest_ms))


def _take(connection: Connection, ids: Sequence[str], minute: int) -> set[str]:
    """Keep IDS as counted; return those that were not before."""
    rows = [{"id": bytes.fromhex(name), "minute": minute} for name in ids]
    query = INSERT[connection.dialect.name](REPORTED).on_conflict_do_nothing().returning(REPORTED.c.id)
    return {bytes(found).hex() for found in connection.execute(query, rows).scalars()}


def _count(connection: Connection, reports: Sequence[Report], minute: int, names: Names) -> None:
    for release in {report.release for report in reports} - names.keys():
        if len(names) >= MAX_NAMED:
            names.pop(next(iter(names)))
        query = select(COUNTER.c.name).where(COUNTER.c.release == release).distinct()
        names[release] = set(connection.execute(query).scalars())
    counts = sorted(tally(reports, minute, names).items())  # one order: two writers never wait in a ring
    if counts:
        rows = [{"release": r, "minute": m, "name": name, "value": value} for (r, m, name), value in counts]
        days.add(connection, rows)


def _worth_keeping(reports: Sequence[Report], now_ms: int) -> Iterator[dict[str, Any]]:
    failures = 0
    for report in reports:
        failed = bool(report.error or report.counts.failures or report.counts.crashes)
        failures += failed
        if (failed and failures <= MAX_FAILURES) or report.id.startswith(SAMPLED):
            content = canonical.encode(report)
            yield {"id": report.id, "release": report.release, "came_ms": now_ms, "content": content}
