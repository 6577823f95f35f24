"""A service leads releases by itself: what is bad is halted after few devices, what is not goes to all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from deploy.bucket import bucket
from deploy.chooser import Chooser
from deploy.cloud.looks import Gate
from deploy.cloud.staged import Wanted
from deploy.cohort import Cohort
from deploy.gate.policy import Policy, Stage, counter
from deploy.rollout import Release, Ruleset
from deploy.task.bins import Bins, Cut
from deploy.wire.report import Counts, Report, Reports

HOUR = 3_600_000
DEVICES = 1_250
ALL = Stage(millionths=1_000_000, least_s=3_600)
POLICY = Policy(
    stages=(Stage(devices=100, least_s=3_600), Stage(devices=250, least_s=3_600), ALL),
    criteria=(*Policy().criteria, counter("clicked")),
    watch_s=3_600,
)
EACH = pytest.mark.usefixtures("url")
BROKEN, DULL, DRIFTS = "broken", "dull", "drifts"


class Fleet:
    """Devices that run what the rules say, and report it every half an hour of a made clock."""

    def __init__(self, sent: Any, now: list[int], bad: str = "") -> None:
        self.sent, self.now, self.bad = sent, now, bad
        self.names = [f"device {n}" for n in range(DEVICES)]
        self.runs: dict[str, str] = {}
        self.exposed: set[str] = set()
        self._ids = count(1)

    def begin(self, bins: Bins | None = None, before: Bins | None = None, **wanted: Any) -> None:
        """Release a bundle to everyone, with the bins BEFORE, then another one, with its BINS, by gates."""
        old, new = self.sent.publish(1, bins=before), self.sent.publish(2, bins=bins)
        self.sent.put("old", Release("rank", old.id, old.graph_id, Cohort("old")), 1)
        form = Wanted(
            Release("rank", new.id, new.graph_id, Cohort("new", 0)),
            **{"policy": POLICY, "fleet": DEVICES, **wanted},
        )
        answered = self.sent.begin("new", form, 2)
        assert answered.json()["ruleset"] == 3, answered.text

    def rules(self) -> Ruleset:
        """Return the rules in force."""
        return Ruleset.from_json(self.sent("GET", "/v1/ruleset", "viewer").content)

    def gate(self) -> Gate:
        """Return where the release stands."""
        return msgspec.json.decode(self.sent("GET", "/v1/releases/new/gate", "viewer").content, type=Gate)

    def live(self, hours: float) -> None:
        """Let time pass, half an hour after half an hour: devices check and report, gates look."""
        for _ in range(int(2 * hours)):
            self.now[0] += HOUR // 2
            chooser = Chooser(self.rules())
            reports: list[Report] = []
            for device in self.names:
                release = chooser.choose(device, {}).releases.get("rank", "")
                reports += self._reports(device, release)
            for begin in range(0, len(reports), 1_000):
                batch = Reports(tuple(reports[begin : begin + 1_000])).to_json()
                assert self.sent("POST", "/v1/reports", "device", content=batch).status_code == 202
            self.sent.run(self.sent.app.service.look())

    def _reports(self, device: str, release: str) -> Iterator[Report]:
        came, self.runs[device] = self.runs.get(device) != release, release
        if release not in ("new", "new.control"):
            return
        if release == "new":
            self.exposed.add(device)
        luck = bucket("luck", device) % 100
        if came and release == "new" and self.bad == BROKEN and luck < 5:
            yield self._report(device, release, "failed", "it does not load")
        elif came:
            yield self._report(device, release, "active")
        else:
            clicks = luck < (40 if release == "new" and self.bad == DULL else 60)
            hours = (0, 5, 0) if self.bad == DRIFTS else (3, 2, 0)
            counts = Counts(5, counters={"shown": 5, "clicked": int(clicks)}, drift={"hour": hours})
            yield self._report(device, release, "alive", counts=counts)

    def _report(self, device: str, release: str, state: Any, error: str = "", **more: Any) -> Report:
        return Report(f"{next(self._ids):032x}", device, "rank", release, state, 1, error, **more)


@pytest.fixture
def fleet(serve: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[Callable[..., Fleet]]:
    """Give what makes a fleet before a service with a made clock; on each database where it is asked for."""
    now = [500_000 * HOUR]
    database = request.getfixturevalue("url") if "url" in request.fixturenames else ""
    with serve(clock=lambda: now[0], database=database, calls_per_s=100_000) as sent:
        yield lambda bad="": Fleet(sent, now, bad)


@EACH
def test_a_release_that_fails_on_few_devices_is_halted_and_taken_back(fleet: Any) -> None:
    """5 % can not install it: it stops in the first stages, and everyone runs the bundle before."""
    one = fleet(BROKEN)
    one.begin()
    assert one.rules().releases["new.control"].bundle == one.rules().releases["old"].bundle
    one.live(6)
    gate, rules = one.gate(), one.rules()
    assert (gate.state, rules.releases["new"].halted, "new.control" in rules.releases) == (
        "stopped",
        True,
        False,
    )
    assert gate.look.why.startswith("broken: more than 1 %")
    assert 0 < len(one.exposed) < 350  # of 1,250: the second stage is the last one
    assert set(one.runs.values()) == {"old"}
    entry = one.sent("GET", "/v1/audit?limit=1", "viewer").json()["entries"][0]
    assert (entry["action"], entry["what"], entry["by"]) == ("gate.stop", "new", "gate")
    fired = msgspec.json.decode(entry["detail"])["readings"][0]
    assert fired["hits"] > 1
    assert fired["value"] >= fired["need"]
    looks = one.sent("GET", "/v1/releases/new/looks", "viewer").json()["looks"]
    assert looks[0]["verdict"] == "stop"
    assert {each["stage"] for each in looks} >= {0}
    numbers = one.sent("GET", "/metrics", "viewer").text
    assert 'headrace_gate_verdicts_total{verdict="stop"} 1.0' in numbers


def test_a_release_that_is_the_same_goes_to_all(fleet: Any) -> None:
    """An A/A release passes each stage by itself, and its control arm ends with it."""
    one = fleet()
    one.begin()
    shares = set()
    while one.gate().state == "running":
        one.live(0.5)
        shares.add(one.rules().releases["new"].cohort.millionths)
    gate, rules = one.gate(), one.rules()
    assert (gate.state, gate.look.verdict, sorted(rules.releases)) == ("done", "done", ["new", "old"])
    assert shares == {100 * 800, 250 * 800, 1_000_000}
    assert set(one.runs.values()) == {"new"}
    assert gate.look.devices == DEVICES


def test_fewer_clicks_halt_a_release_that_never_fails(fleet: Any) -> None:
    """A third fewer devices click: the business counter stops it."""
    one = fleet(DULL)
    one.begin()
    one.live(6)
    gate = one.gate()
    assert (gate.state, gate.look.why.partition(":")[0]) == ("stopped", "counter.clicked")
    assert set(one.runs.values()) == {"old"}


def test_no_reports_stop_a_release(fleet: Any) -> None:
    """Who can not report can not complain."""
    one = fleet()
    one.begin()
    one.now[0] += 6 * HOUR
    one.sent.run(one.sent.app.service.look())
    assert (one.gate().state, "found none for 360 minutes" in one.gate().look.why) == ("stopped", True)


def test_a_feature_that_moved_from_training_pauses_a_release(fleet: Any) -> None:
    """A person has to judge it; what devices of the control arm count by other edges says nothing."""
    one = fleet(DRIFTS)
    one.begin(Bins({"hour": Cut((12.0,), (600, 400, 0))}), Bins({"hour": Cut((6.0,), (600, 400, 0))}))
    one.live(1)
    gate = one.gate()
    assert (gate.state, gate.stand.paused) == ("running", True)
    assert [each.test for each in gate.look.readings if each.fires] == ["drift of hour"]
    answered = one.sent("POST", "/v1/releases/new/resume", "releaser")
    assert answered.json()["stand"]["waived"] == ["drift of hour"]
    one.live(2)
    assert one.gate().stand.stage > gate.stand.stage


def test_a_feature_that_moved_everywhere_pauses_nothing(fleet: Any) -> None:
    """Where the control arm, which counts by the same edges, moved as far, the world moved."""
    one = fleet(DRIFTS)
    bins = Bins({"hour": Cut((12.0,), (600, 400, 0))})
    one.begin(bins, bins)
    one.live(1)
    read = {each.test: each for each in one.gate().look.readings}
    assert read["drift of hour"].fires
    assert read["drift of hour"].shared
    assert not one.gate().stand.paused
