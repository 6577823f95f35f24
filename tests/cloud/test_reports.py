"""Reports: kept before they are answered, counted once, bounded where they wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from deploy.cloud import days, kept
from deploy.cloud.counters import MAX_NAMES, OTHER, tally, totals
from deploy.cloud.database import Database
from deploy.cloud.intake import Intake
from deploy.cloud.kept import Outcome
from deploy.cloud.tables import BUNDLE, COUNTER, RELEASE
from deploy.cohort import Cohort
from deploy.errors import ServiceError
from deploy.rollout import Release
from deploy.wire.report import Counts, Report, Reports

COUNTS = Counts(5, 2, 1, (0, 3, 2), {"shown": 9, "clicked": 1}, {"spend: a": (1, 0, 4)})


def report(n: int, release: str = "one", counts: Counts = COUNTS, error: str = "") -> Report:
    """Return the report with the id N."""
    return Report(f"{n:032x}", f"device {n % 7}", "rank", release, "alive", n, error, counts)


def test_reports_are_counted_once_by_their_id(url: str) -> None:
    """Whatever is sent again, in the batch or in another one, adds nothing; unknown releases are not kept."""
    database = Database(url)
    database.migrate()
    first = [report(1), report(2), report(1), report(3, "never")]
    assert kept.keep(database, first, {"one"}, 60_000) == Outcome(2, 1, 1)
    assert kept.keep(database, [report(2), report(4, error="it's <b>")], {"one"}, 120_000) == Outcome(1, 1, 0)
    found = kept.since(database, "one", 0)
    assert (found.states, found.runs, found.failures, found.crashes) == ({"alive": 3}, 15, 6, 3)
    assert (found.latency[:3], found.counters) == ([0, 9, 6], {"shown": 27, "clicked": 3})
    assert found.drift["spend: a"][:3] == [3, 0, 12]
    assert kept.since(database, "one", 2).runs == 5
    assert kept.since(database, "never", 0).runs == 0
    assert kept.last(database, "one")[0] == report(4, error="it's <b>")
    kept.sweep(database, (kept.KEPT_DAYS + 1) * 86_400_000)
    assert kept.last(database, "one") == []
    database.close()


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 60))
def test_how_reports_are_batched_says_nothing(ids: list[int], cut: int) -> None:
    """Counts of two batches add up to those of both together."""
    reports = [report(n, f"r{n % 3}") for n in ids]
    whole = tally(reports, 7, {})
    for key, value in tally(reports[cut:], 7, {}).items():
        whole[key] -= value
    for key, value in tally(reports[:cut], 7, {}).items():
        whole[key] -= value
    assert not any(whole.values())


def test_ever_new_names_are_cut_off() -> None:
    """A fleet that counts under ever new names fills no memory; what is cut off is counted apart."""
    names = iter(range(1_000_000))
    reports = [
        report(n, counts=Counts(counters={f"c{next(names)}": 1 for _ in range(30)})) for n in range(1_000)
    ]
    known: dict[str, set[str]] = {}
    counts = tally(reports[:500], 1, known)
    for key, value in tally(reports[500:], 1, known).items():  # in another transaction
        counts[key] = counts.get(key, 0) + value
    assert len(counts) == MAX_NAMES + 1
    assert sum(counts.values()) == 31_000
    assert counts["one", 1, OTHER] == 31_000 - (MAX_NAMES - 1) - 1_000
    assert len(totals((name, value) for (_, _, name), value in counts.items()).counters) == MAX_NAMES - 1


def test_names_have_a_bound_over_all_time(url: str) -> None:
    """What a process reads of the names that were counted bounds those that are let in later."""
    database = Database(url)
    database.migrate()
    with patch("deploy.cloud.counters.MAX_NAMES", 5):
        for n in range(4):  # each as a process that has just begun
            counts = Counts(counters={f"c{n}{m}": 1 for m in range(2)})
            kept.keep(database, [report(n, counts=counts)], {"one"}, 60_000 * n)
    found = kept.since(database, "one", 0)
    assert (len(found.counters), found.states) == (4, {"alive": 4})
    database.close()


def test_old_counters_are_added_up_and_none_is_lost(url: str) -> None:
    """By minute for a week, by day for 400 days, then together; whatever is swept, as often as one likes."""
    database = Database(url)
    database.migrate()
    with database.writing() as connection:
        connection.execute(insert(BUNDLE), {"id": "b", "task": "rank", "manifest": b"", "at_ms": 0, "by": ""})
        row = {"id": "one", "task": "rank", "bundle": "b", "ruleset": 1, "at_ms": 0}
        connection.execute(insert(RELEASE), row)
    day, now = 1_440, 500 * 1_440 + 77
    minutes = [5, 6, 400, day, day + 1, 490 * day + 3, 490 * day + 70, 492 * day - 1, now - 5, now]
    for n, minute in enumerate(minutes):
        kept.keep(database, [report(n)], {"one"}, 60_000 * minute)
    assert days.fold(database, 60_000 * now) > 0
    assert days.fold(database, 60_000 * now) == 0
    with database.reading() as connection:
        found = sorted(set(connection.execute(select(COUNTER.c.minute)).scalars()))
    assert found == [0, 490 * day, 491 * day, now - 5, now]
    assert kept.since(database, "one", 0).runs == 5 * len(minutes)
    assert kept.since(database, "one", 490 * day).runs == 5 * 5
    database.close()


def test_who_offers_is_answered_after_the_commit_and_a_full_queue_refuses() -> None:
    """While one batch is kept others wait together, up to the bound; all that was accepted is kept."""
    may, kept_ids = threading.Event(), []

    def keep(reports: Sequence[Report]) -> Outcome:
        may.wait()
        kept_ids.append([int(each.id, 16) for each in reports])
        return Outcome(len(reports), 0, 0)

    async def run() -> None:
        intake = Intake(keep, most=5)
        first = asyncio.create_task(intake.offer([report(0)]))
        await asyncio.sleep(0.05)
        more = [asyncio.create_task(intake.offer([report(n), report(n + 10)])) for n in (1, 2)]
        await asyncio.sleep(0)
        assert not first.done()
        with pytest.raises(ServiceError, match="room to keep them") as refused:
            await intake.offer([report(9)])
        assert (refused.value.status, refused.value.retry_s > 0) == (429, True)
        more[0].cancel()  # whoever goes away leaves what they offered
        may.set()
        await asyncio.gather(first, more[1])
        await asyncio.to_thread(intake.close)
        with pytest.raises(ServiceError) as refused:
            await intake.offer([report(9)])
        assert refused.value.status == 503
        assert intake.waiting == 0
        assert intake.counts["commits"] == 2

    asyncio.run(run())
    assert kept_ids == [[0], [1, 11, 2, 12]]


def test_a_database_that_fails_is_told_and_the_next_are_kept() -> None:
    """A transaction that fails answers 503; nothing is said to be kept, and the thread goes on."""
    fails = iter([True, False])

    def keep(reports: Sequence[Report]) -> Outcome:
        if next(fails):
            raise OSError(28, "No space left on device")
        return Outcome(len(reports), 0, 0)

    async def run() -> None:
        intake = Intake(keep)
        with pytest.raises(ServiceError, match="expected to keep them") as refused:
            await intake.offer([report(0)])
        assert refused.value.status == 503
        await intake.offer([report(0)])
        await asyncio.to_thread(intake.close)
        assert (intake.counts["failed"], intake.counts["new"]) == (1, 1)

    asyncio.run(run())


def test_a_report_of_a_release_that_another_process_made_just_now_counts(sent: Any) -> None:
    """It is known before this process has looked at the rules again."""
    manifest = sent.publish(1)
    service = sent.app.service
    one = Release("rank", manifest.id, manifest.graph_id, Cohort("salt"))
    with patch.object(service, "refresh"):
        sent.put("one", one, 1)
        answered = sent("POST", "/v1/reports", "device", content=Reports((report(1),)).to_json())
    assert (answered.status_code, service.intake.counts["new"]) == (202, 1)


def test_reports_over_http(sent: Any, tmp_path: Path) -> None:
    """A batch is 202 and can be read at once; another form is 400, a large one 413; a stop keeps all."""
    manifest = sent.publish(1)
    sent.put("one", Release("rank", manifest.id, manifest.graph_id, Cohort("salt")), 1)
    batch = Reports((report(1, error="<script>"), report(2)))
    answered = sent("POST", "/v1/reports", "device", content=batch.to_json())
    assert (answered.status_code, answered.json()) == (202, {"kept": 2})
    counted = sent("GET", "/v1/releases/one/counters?minutes=5", "viewer").json()
    assert (counted["runs"], counted["states"]) == (10, {"alive": 2})
    last = sent("GET", "/v1/releases/one/reports", "viewer").json()["reports"]
    assert {each["error"] for each in last} == {"<script>", ""}
    assert sent("GET", "/v1/releases/none/counters", "viewer").status_code == 404
    assert sent("POST", "/v1/reports", "device", content=b'{"reports":[1]}').status_code == 400
    assert sent("POST", "/v1/reports", "device", content=b" " * (2 << 20)).status_code == 413
    odd = msgspec.structs.replace(batch, reports=(msgspec.structs.replace(report(3), release="'; DROP"),))
    assert sent("POST", "/v1/reports", "device", content=odd.to_json()).status_code == 400
