"""Gates beside people, other processes and a restart: who halts is right, and everything is done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from deploy.cloud import kept, rulesets
from deploy.cloud.database import Database
from deploy.cloud.gaterows import keep_look
from deploy.cloud.gates import Gates, views
from deploy.cloud.looks import Decided, Look
from deploy.cloud.registry import Registry
from deploy.cloud.rehearsed import Rehearsed
from deploy.cloud.roles import Who
from deploy.cloud.staged import Overtaken, Wanted
from deploy.cohort import Cohort, Condition
from deploy.errors import ServiceError
from deploy.gate.policy import Policy, Stage, counter
from deploy.rollout import Release
from deploy.task.manifest import MODEL_FILES, Manifest
from deploy.wire.report import Counts, Report
from inference.manifest import FileEntry

ANN = Who("a" * 16, "Ann", "releaser")
GRAPH = "a" * 64
HOUR = 3_600_000
POLICY = Policy(
    stages=tuple(Stage(devices=10**n, least_s=3_600) for n in (1, 2, 3)), watch_s=3_600, least_millionths=1
)
FLEET = 1_000


class World:
    """A registry and its gates on one database, with a clock that is set."""

    def __init__(self, url: str) -> None:
        self.now = 500_000 * HOUR
        self.database = Database(url)
        self.registry, self.gates = self.process()
        for n in (1, 2):
            self.registry.publish(ANN, manifest(n))

    def process(self) -> tuple[Registry, Gates]:
        """Return what another process would have."""
        registry = Registry(self.database, lambda: self.now)
        return registry, Gates(self.database, registry)

    def release(self, name: str, n: int, **cohort: Any) -> None:
        """Release the bundle N under NAME to everyone."""
        one = Release("rank", manifest(n).id, GRAPH, Cohort(name, **cohort))
        self.change("release.put", name, partial(rulesets.released, name=name, release=one))

    def begin(self, name: str = "new", n: int = 2, **wanted: Any) -> None:
        """Let gates lead the bundle N."""
        where = wanted.pop("where", ())
        one = Release("rank", manifest(n).id, GRAPH, Cohort(name, 0, where))
        form = Wanted(one, **{"policy": POLICY, **wanted})
        self.gates.begin(ANN, name, form, self.registry.version(), FLEET, self.now)

    def change(self, action: str, what: str, edit: rulesets.Edit) -> None:
        """Do ACTION as Ann."""
        self.registry.change(ANN, action, what, edit)

    def halt(self) -> None:
        """Halt the release by hand."""
        self.change("release.halt", "new", partial(rulesets.halted, name="new"))

    def report(self, hours: float = 1.0, state: Any = "alive") -> None:
        """Let HOURS pass, then new devices of the release report STATE, and those of the control arm live."""
        self.now += int(hours * HOUR)
        names = [("new", "n", state), ("new.control", "c", "alive")]
        told = [
            Report(f"{self.now + n:016x}{ord(arm):016x}", f"{arm}{self.now + n}", "rank", release, said, 0)
            for release, arm, said in names
            for n in range(40)
        ]
        kept.keep(self.database, told, {"new", "new.control"}, self.now, views(self.gates.running(), {}))

    def look(self, hours: float = 0.0) -> Decided:
        """Let HOURS pass, then look."""
        self.now += int(hours * HOUR)
        return self.gates.look(self.gates.find("new"), self.now, {})

    def deeds(self) -> list[str]:
        """Return what was done, the newest first."""
        return [entry.action for entry in self.registry.audited()]


def manifest(n: int) -> Manifest:
    """Return the manifest of a bundle that differs by N."""
    return Manifest("rank", GRAPH, "b" * 64, dict.fromkeys(sorted(MODEL_FILES), FileEntry(n, f"{n:064x}")))


@pytest.fixture
def world(url: str) -> Iterator[World]:
    """Give a release under way over one that everybody runs."""
    database = Database(url)
    database.migrate()
    database.close()
    found = World(url)
    found.release("old", 1)
    found.begin()
    yield found
    found.database.close()


@pytest.fixture
def alone(tmp_path: Path, migrated: Path) -> Iterator[World]:
    """Give a world with nothing released, on SQLite."""
    (tmp_path / "service.db").write_bytes(migrated.read_bytes())
    found = World(f"sqlite:///{tmp_path}/service.db")
    yield found
    found.database.close()


def test_who_halts_by_hand_is_never_overruled(world: World) -> None:
    """A gate that saw the rules before the halt changes nothing; at its next look it takes leave."""
    world.report()
    before = world.registry.ruleset()
    world.halt()
    world.now += HOUR
    with patch.object(world.registry, "ruleset", lambda: before), pytest.raises(Overtaken):
        world.look()
    assert world.gates.find("new").state == "running"
    found = world.look()
    assert (found.gate.state, found.action) == ("halted", "gate.halted")
    rules = world.registry.ruleset()
    assert (rules.releases["new"].halted, "new.control" in rules.releases) == (True, False)
    assert world.gates.running() == []
    for deed in (world.gates.pause, world.gates.resume):
        with pytest.raises(ServiceError, match="found it halted; make a new release"):
            deed(ANN, "new", world.now)


def test_who_ends_a_release_ends_its_gate(world: World) -> None:
    """An ended release, by hand or by a rollback, has no control arm and no gate."""
    version = world.registry.version()
    world.registry.roll_back(ANN, version - 1, version)
    assert world.look().gate.state == "ended"
    assert sorted(world.registry.ruleset().releases) == ["old"]


def test_a_killed_task_is_waited_for(world: World) -> None:
    """Nothing runs, so nobody reports: that is no silence, and the stage begins anew afterwards."""
    world.report()
    world.change("task.halt", "rank", partial(rulesets.task_halted, task="rank"))
    for _ in range(3):
        assert world.look(5).look.why == "the task is halted"
    world.change("task.resume", "rank", partial(rulesets.task_resumed, task="rank"))
    found = world.look()
    assert (found.look.verdict, found.gate.stand.since_ms) == ("wait", world.now)


def test_a_release_pauses_by_hand_and_goes_on(world: World) -> None:
    """A paused release stays in its stage, its tests go on; resumed it begins its stage anew."""
    world.gates.pause(ANN, "new", world.now)
    world.report()
    assert (world.look(2).look.why, world.gates.find("new").stand.paused) == ("paused", True)
    gate = world.gates.resume(ANN, "new", world.now)
    assert (gate.stand.since_ms, gate.stand.paused) == (world.now, False)
    assert world.look(0.5).look.verdict == "wait"
    assert world.look(0.6).look.verdict == "continue"
    world.gates.pause(ANN, "new", world.now)
    world.report(0.1, "failed")
    assert world.look().look.verdict == "stop"
    assert world.deeds()[:5] == [
        "gate.stop",
        "release.pause",
        "gate.continue",
        "release.resume",
        "release.pause",
    ]


def test_what_paused_a_release_pauses_it_once(alone: World) -> None:
    """A person who resumes it has seen the test fire; another one that stops still does."""
    alone.release("old", 1)
    alone.begin(
        policy=Policy(POLICY.stages, (*POLICY.criteria, counter("errors", "more", "pause")), watch_s=3_600)
    )
    told = [
        Report(f"{n:032x}", str(n), "rank", release, "alive", 0, "", Counts(counters={"errors": errors}))
        for n, (release, errors) in enumerate([("new", 1)] * 40 + [("new.control", 0)] * 160)
    ]
    kept.keep(alone.database, told, {"new", "new.control"}, alone.now, views(alone.gates.running(), {}))
    assert alone.look(1).look.why.startswith("counter.errors: more than control: 40 of 40")
    gate = alone.gates.resume(ANN, "new", alone.now)
    assert gate.stand.waived == ("counter.errors: more than control",)
    assert alone.look(1).look.verdict == "continue"
    assert alone.gates.find("new").stand.waived == gate.stand.waived


def test_two_processes_act_once(world: World) -> None:
    """Four that look at the same gate at the same time let the release grow once, by one stage."""
    world.report()
    world.now += HOUR
    others = [world.process()[1] for _ in range(4)]
    seen = world.gates.find("new")

    def look(gates: Gates) -> bool:
        try:
            gates.look(seen, world.now, {})
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(look, others)) == [False, False, False, True]
    assert (world.gates.find("new").stand.stage, world.deeds().count("gate.continue")) == (1, 1)
    assert world.registry.ruleset().releases["new"].cohort.millionths == 100_000


def test_a_restart_goes_on_where_it_was(serve: Callable[..., Any], tmp_path: Path) -> None:
    """Stage, watched devices and looks are in the database: another process goes on with them."""
    now = [500_000 * HOUR]
    url = f"sqlite:///{tmp_path}/rules.db"
    with serve(clock=lambda: now[0], database=url):
        pass
    world = World(url)
    world.release("old", 1)
    world.begin()
    world.report()
    assert world.look(1).look.verdict == "continue"
    world.database.close()
    now[0] = world.now + HOUR
    with serve(clock=lambda: now[0], database=url) as service:
        found = service.run(service.app.service.look())
        assert [(each.look.verdict, each.look.devices, each.gate.stand.stage) for each in found] == [
            ("continue", 40, 2)
        ]
        assert service.run(service.app.service.look()) == []  # not due


def test_a_first_release_has_no_control_arm(alone: World) -> None:
    """Where nothing ran before there is nothing to compare with: bounds and silence are left."""
    alone.begin()
    gate = alone.gates.find("new")
    assert (gate.control, sorted(alone.registry.ruleset().releases)) == (None, ["new"])
    alone.report(state="failed")
    assert alone.look().look.why == "broken: more than 1 %: 40 of 40 devices"


def test_a_control_arm_runs_what_all_ran_before(alone: World) -> None:
    """Where devices of the release run different bundles somebody has to name one."""
    alone.release("old", 1, millionths=500_000)
    with pytest.raises(ServiceError, match="which some run; end or halt it") as refused:
        alone.begin()
    assert refused.value.status == 409
    alone.begin(control=manifest(1).id)
    assert alone.registry.ruleset().releases["new.control"].bundle == manifest(1).id
    with pytest.raises(ServiceError, match="found 'new', which some run"):
        alone.begin("other")


def test_a_control_arm_is_drawn_from_the_same_devices(alone: World) -> None:
    """It has the conditions, the salt and the lists of who is denied; not who is allowed in any case."""
    alone.release("old", 1)
    ios = Condition("os", "in", ("ios",))
    alone.begin(where=(ios,))
    new, control = (alone.registry.ruleset().releases[name] for name in ("new", "new.control"))
    assert (new.cohort.where, control.cohort.where) == ((ios,), (ios,))
    assert (new.cohort.salt, new.cohort.millionths) == (control.cohort.salt, control.cohort.millionths // 5)
    assert new.priority == control.priority + 1 > 0


@pytest.mark.parametrize(
    ("name", "fleet", "said"),
    [
        ("new", None, "expected how many devices there are, found none; give --fleet"),
        ("new", 10, "expected a first stage below the 10 devices that there are"),
        ("a" * 127, 99, "expected at most 120 signs"),
        ("a.control", 99, "rename it"),
        ("old", 99, "expected a new id, found one in force"),
    ],
)
def test_what_is_not_begun(alone: World, name: str, fleet: int | None, said: str) -> None:
    """Each refusal is one line, and leaves the rules as they were."""
    alone.release("old", 1)
    form = Wanted(Release("rank", manifest(2).id, GRAPH, Cohort(name, 0)), POLICY, fleet)
    with pytest.raises(ServiceError, match=said):
        alone.gates.begin(ANN, name, form, 2, 0, alone.now)
    assert alone.registry.version() == 2
    assert alone.gates.all() == []


def test_old_looks_are_thinned_out(world: World) -> None:
    """Of more than a day ago the first look of a quarter of an hour is kept, and each that did something."""
    with world.database.writing() as connection:
        for minute in range(60):
            at_ms = world.now + 60_000 * minute + 17
            keep_look(connection, "new", Look(at_ms, 0, "pause" if minute == 7 else "wait", "", 1))
    world.gates.sweep(world.now + 3 * 24 * HOUR)
    left = [(look.at_ms - world.now) // 60_000 for look in world.gates.looks("new")]
    assert left == [45, 30, 15, 7, 0]
    world.gates.sweep(world.now + 100 * 24 * HOUR)
    assert world.gates.looks("new") == []


def test_what_fails_its_rehearsal_never_begins(serve: Callable[..., Any]) -> None:
    """No rule changes and no device is exposed; why stands in the audit log, as does what passed."""

    def rehearse(_folder: Path, _manifest: Manifest, recording: str) -> Rehearsed:
        if recording == "bad":
            raise ServiceError("rehearsal: expected 3 answers, found 1 failures; mend the bundle", 422)
        return Rehearsed(1, 3, 40)

    with serve(rehearse=rehearse) as service:
        one = service.publish(1)
        release = Release("rank", one.id, one.graph_id, Cohort("new", 0))
        refused = service.begin("new", Wanted(release, fleet=900, recording="bad"), 1)
        assert (refused.status_code, "found 1 failures" in refused.json()["error"]) == (422, True)
        assert service("GET", "/v1/ruleset", "viewer").json()["version"] == 1
        passed = service.begin("new", Wanted(release, fleet=900, recording="good"), 1).json()
        assert passed["rehearsed"] == {"events": 1, "asks": 3, "p99_us": 40, "error": ""}
        begun, told = service("GET", "/v1/audit?limit=2", "viewer").json()["entries"]
        assert (begun["action"], told["action"]) == ("gate.begin", "gate.refuse")
        assert "found 1 failures" in told["detail"]
    with serve() as service:
        one = service.publish(1)
        release = Release("rank", one.id, one.graph_id, Cohort("more", 0))
        refused = service.begin("more", Wanted(release, fleet=900, recording="good"), 2)
        assert "expected a service that runs bundles" in refused.json()["error"]
