"""What pages read, on SQLite and PostgreSQL: steps of a window, sums of a life, who made a ruleset."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("sqlalchemy", reason="the extra service is not installed")

from deploy.cloud import kept, tokens
from deploy.cloud.console import rows
from deploy.cloud.console.rows import Sums, Window
from deploy.cloud.database import Database
from deploy.cloud.registry import Registry
from deploy.cloud.rulesets import task_halted
from deploy.wire.report import Counts, Report

NAMES = ("state:active", "runs")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Give an empty database."""
    made = Database(url)
    made.migrate()
    yield made
    made.close()


class Fleet:
    """Devices that tell of one release."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._count = 0

    def tell(self, minute: int, runs: int, release: str = "one", **drift: tuple[int, ...]) -> None:
        """Let one device tell in MINUTE."""
        self._count += 1
        counts = Counts(runs, drift=drift)
        report = Report(f"{self._count:032x}", "ann", "rank", release, "active", 0, counts=counts)
        kept.keep(self._database, [report], {"one", "two"}, minute * 60_000)


def test_counters_fall_into_steps(database: Database) -> None:
    """A step is WIDTH minutes; what is outside of the window, of another release, or drift is left out."""
    fleet = Fleet(database)
    for minute, runs in ((99, 1), (100, 2), (104, 3), (105, 5), (119, 7), (120, 11)):
        fleet.tell(minute, runs, a=(1, 2))
    fleet.tell(105, 100, "two")
    window = Window(100, 5, 4)
    assert rows.series(database, "one", window) == {
        "runs": {0: 5, 1: 5, 3: 7},
        "state:active": {0: 2, 1: 1, 3: 1},
    }
    assert rows.drifts(database, "one", window) == {"a": {0: 4, 1: 8}}
    assert rows.series(database, "none", window) == {}


def test_sums_follow_what_is_told(database: Database) -> None:
    """A sum of a life is right at each moment, also where a minute that was read is told of once more."""
    fleet, sums, whole, now = Fleet(database), Sums(NAMES), 0, 0
    for minute, runs in ((5, 1), (5, 2), (6, 3), (6, 4), (7, 5), (6, 6), (500, 7), (501, 8), (500, 9)):
        fleet.tell(minute, runs)
        whole, now = whole + runs, max(now, minute)
        assert sums.of(database, "one", now)["runs"] == whole
    assert sums.of(database, "one", 600) == Sums(NAMES).of(database, "one", 600)
    assert sums.of(database, "two", 600) == {}


def test_a_ruleset_is_told_with_who_made_it(database: Database) -> None:
    """The name is that of the token; the first one, which nobody made, has none."""
    registry = Registry(database, lambda: 7)
    bob, _ = tokens.add(database, "releaser", "bob", 0)
    registry.change(bob, "task.halt", "rank", lambda rules: task_halted(rules, "rank"))
    new, old = rows.rulesets(database, None, 10)
    assert (new.rules.version, new.by, new.at_ms) == (2, "bob", 7)
    assert old.rules.version == 1
    assert [each.rules.version for each in rows.rulesets(database, 2, 10)] == [1]
    assert [entry.action for entry in rows.deeds(database, ("rank",))] == ["task.halt"]
