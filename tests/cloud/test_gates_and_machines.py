"""The service's gates before a fleet of real device machines, whose networks, disks and processes fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from deploy.cloud import kept, rulesets
from deploy.cloud.database import Database
from deploy.cloud.gates import Gates, views
from deploy.cloud.registry import Registry
from deploy.cloud.roles import Who
from deploy.cloud.staged import Wanted
from deploy.cohort import Cohort
from deploy.gate.policy import Policy, Stage
from deploy.gate.verdict import Step
from deploy.rollout import Release
from deploy.simulate import story
from deploy.simulate.director import GRAPH, NEW, NEW_BUNDLE, OLD, OLD_BUNDLE, TASK, Director
from deploy.simulate.fleet import Ways
from deploy.task.manifest import MODEL_FILES, Manifest
from deploy.wire.report import Report
from inference.manifest import FileEntry

ANN = Who("a" * 16, "Ann", "releaser")
SOON = Policy(
    stages=(Stage(devices=300, least_s=1_800), Stage(millionths=1_000_000, least_s=1_800)),
    watch_s=1_200,
    silent_s=7_200,
)
WAYS = Ways(devices=1_500, online=1.0)


class Served(Director):
    """A director that asks the service's registry and gates, in a database."""

    def __init__(self, database: Database, policy: Policy, fleet: int, poll_s: int) -> None:
        self._now_ms = 0
        self._database = database
        self._registry = Registry(database, lambda: self._now_ms)
        self._gates = Gates(database, self._registry)
        self._told: list[Report] = []
        self._ids = count()
        self._names: kept.Names = {}
        self._bundles = {manifest(n).id: bundle for n, bundle in ((1, OLD_BUNDLE), (2, NEW_BUNDLE))}
        for n in (1, 2):
            self._registry.publish(ANN, manifest(n))
        old = Release(TASK, manifest(1).id, GRAPH, Cohort("old"))
        self._registry.change(ANN, "release.put", OLD, partial(rulesets.released, name=OLD, release=old))
        super().__init__(policy, fleet, poll_s)

    def take(self, report: Report, now_ms: int) -> None:
        """Keep REPORT with the others of its minute."""
        self._told.append(msgspec.structs.replace(report, id=f"{next(self._ids):032x}"))

    def begin(self, now_ms: int) -> None:
        """Let gates lead the new bundle."""
        self._now_ms = now_ms
        release = Release(TASK, manifest(2).id, GRAPH, Cohort("new", 0))
        wanted = Wanted(release, self.policy)
        self._gates.begin(ANN, NEW, wanted, self._registry.version(), self.fleet, now_ms)
        self._follow()

    def look(self, now_ms: int) -> bool:
        """Keep what came, and let the gate look."""
        self._now_ms = now_ms
        led = self._gates.running()
        kept.keep(
            self._database, self._told, set(self._registry.releases()), now_ms, views(led, {}), self._names
        )
        self._told.clear()
        for gate in led:
            found = self._gates.look(gate, now_ms, {})
            self.step = Step(found.look.verdict, found.gate.stand, found.look.why)
        return self._follow()

    def _follow(self) -> bool:
        rules = self._registry.ruleset()
        if rules.version == self.rules.version:
            return False
        releases = {
            name: msgspec.structs.replace(release, bundle=self._bundles[release.bundle])
            for name, release in rules.releases.items()
        }
        self._put(msgspec.structs.replace(rules, releases=releases))
        return True


def manifest(n: int) -> Manifest:
    """Return the manifest of a bundle that differs by N."""
    return Manifest(TASK, GRAPH, "b" * 64, dict.fromkeys(sorted(MODEL_FILES), FileEntry(n, f"{n:064x}")))


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    """Give an empty database, and let stories ask the service over it."""
    (tmp_path / "service.db").write_bytes(migrated.read_bytes())
    found = Database(f"sqlite:///{tmp_path}/service.db")
    with patch.object(story, "Director", partial(Served, found)):
        yield found
    found.close()


@pytest.mark.usefixtures("database")
def test_machines_leave_a_release_that_fails() -> None:
    """Its examples, its runs or its process fail, on a tenth of devices: it stops in its first stage."""
    found = story.stop(replace(WAYS, fails=0.1), 3, 6, SOON)
    assert found.verdict == "stop"
    assert 0 < found.exposed <= 400
    assert found.left == 0


@pytest.mark.usefixtures("database")
def test_machines_reach_a_release_that_does_not() -> None:
    """Cuts, full disks and ends of power are in both arms: it passes both stages."""
    found = story.stop(WAYS, 3, 12, SOON)
    assert (found.verdict, found.why) == ("done", "all stages passed")
    assert found.exposed > 0.99 * WAYS.devices  # who is without power runs it later
