"""Devices counted in the database are those of the gate's arm, however reports come and whoever counts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.cloud import arms
from deploy.cloud.database import Database
from deploy.gate.arm import Arm, Seen
from deploy.gate.policy import Policy, counter
from deploy.gate.view import View
from deploy.wire.report import Counts, Report

POLICY = Policy(criteria=(*Policy().criteria, counter("clicked")), watch_s=300)
VIEW = POLICY.view({})
NAMES = count()

told = st.builds(
    Report,
    st.just("0" * 32),
    st.sampled_from(["ann", "bob", "it's", "\N{SNOWMAN}"]),
    st.just("rank"),
    st.just("one"),
    st.sampled_from(["active", "failed", "rolled_back", "alive"]),
    st.just(0),
    st.sampled_from(["", "broken"]),
    st.builds(
        Counts, failures=st.integers(0, 1), counters=st.fixed_dictionaries({"clicked": st.integers(0, 1)})
    ),
)
batch = st.tuples(st.integers(0, 4), st.lists(told, max_size=6), st.booleans())


@pytest.fixture(scope="module")
def database(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Give an empty database."""
    path = tmp_path_factory.mktemp("arms") / "service.db"
    path.write_bytes(migrated.read_bytes())
    found = Database(f"sqlite:///{path}")
    yield found
    found.close()


def counts(arm: Arm, minute: int) -> list[tuple[int, ...]]:
    """Return what a gate reads off ARM at MINUTE."""
    return [arm.tosses(event, minute, VIEW.watch) for event in ("", *sorted(VIEW.events))]


@settings(max_examples=40, deadline=None)
@given(st.lists(batch, max_size=8))
def test_rows_are_the_arm(database: Database, batches: list[tuple[int, list[Report], bool]]) -> None:
    """Whatever comes, in whatever batches, settled in between or not: the counts are those of `Arm.take`."""
    release, minute = f"r{next(NAMES)}", 1_000
    whole, seen = Arm(), dict[str, Seen]()
    views = {release: VIEW}
    for later, reports, settles in batches:
        minute += later
        mine = [msg_of(report, release) for report in reports]
        for report in mine:
            seen[report.device] = whole.take(report, seen.get(report.device), minute, VIEW)
        with database.writing() as connection:
            arms.take(connection, mine, views, minute)
            if settles:
                arms.settle(connection, release, minute, VIEW.watch)
        with database.reading() as connection:
            found = arms.read(connection, release, VIEW)
        for at in (minute, minute + 2, minute + 100):
            assert counts(found, at) == counts(whole, at)


def msg_of(report: Report, release: str) -> Report:
    """Return REPORT of RELEASE."""
    return Report(
        report.id, report.device, report.task, release, report.state, 0, report.error, report.counts
    )


def test_two_processes_count_a_device_once(url: str) -> None:
    """Four take the first reports of the same devices: each device enters once, each hit counts."""
    database = Database(url)
    database.migrate()
    views: dict[str, View] = {"one": VIEW}

    def take(n: int) -> None:
        state: Any = "failed" if n % 2 else "alive"
        reports = [Report("0" * 32, f"device {d}", "rank", "one", state, 0) for d in range(50)]
        with database.writing() as connection:
            arms.take(connection, reports, views, 7)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, range(8)))
    with database.reading() as connection:
        arm = arms.read(connection, "one", VIEW)
    assert [arm.tosses(event, 7, VIEW.watch)[:2] for event in ("broken", "alive")] == [(50, 50), (50, 50)]
    for left in (True, True, False):
        with database.writing() as connection:
            assert arms.forget(connection, ["one", "two"], 20) is left
    with database.reading() as connection:
        assert arms.read(connection, "one", VIEW).entered == 50
    database.close()
