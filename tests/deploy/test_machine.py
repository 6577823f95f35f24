"""The device as a machine: what it asks, tries, runs and takes back, event by event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from deploy.device.chance import fraction
from deploy.device.kept import Kept, Task, mark
from deploy.device.machine import State, begin, step
from deploy.device.settings import Settings
from deploy.device.words import (
    Action,
    Answered,
    Check,
    Counted,
    Event,
    Failed,
    Fetch,
    Fetched,
    Hinted,
    Network,
    Prove,
    Proved,
    Quiet,
    Report,
    Run,
    Save,
    Send,
    Sent,
    Started,
    Unanswered,
    Unchanged,
    Unsaved,
    Unsent,
    Woke,
)
from deploy.wire.assignment import Assigned, AssignmentManifest

pytestmark = pytest.mark.device

HOUR = 3_600_000
A, B, C = (Assigned(f"rank-{name}", name * 64, "0" * 64) for name in "abc")


@dataclass
class Played:
    """A device that a test plays event by event."""

    settings: Settings = field(default_factory=lambda: Settings("ann", patience_s=0))
    kept: Kept = field(default_factory=Kept)
    now_ms: int = 1_000_000
    done: list[Action] = field(default_factory=list)
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.state = begin(self.kept)

    def hear(self, *events: Event) -> list[Action]:
        """Take EVENTS; return what they led to."""
        found = []
        for event in events:
            self.state, actions = step(self.settings, self.state, event, self.now_ms)
            found += actions
        self.done += found
        return found

    def sleep(self) -> list[Action]:
        """Wake it when it is due."""
        self.now_ms = max(self.now_ms, self.state.due_ms)
        return self.hear(Woke())

    def answer(
        self, tasks: dict[str, Assigned], ruleset: int = 1, halted: Iterable[str] = ()
    ) -> list[Action]:
        """Answer a check."""
        manifest = AssignmentManifest(ruleset, 0, tasks, tuple(halted))
        return self.hear(Answered(manifest, 24 * HOUR, 900, f"v{ruleset}"))

    def install(self, wanted: Assigned, ruleset: int = 1) -> None:
        """Bring it to run WANTED, on trial."""
        self.answer({"rank": wanted}, ruleset)
        self.hear(Fetched("rank", wanted), Proved("rank", wanted))
        self.sleep()
        assert self.task.active == wanted

    def confirm(self) -> None:
        """Let what is on trial pass it."""
        assert self.task.active is not None
        self.hear(Counted("rank", self.task.active.release, 20, 0))
        assert self.task.confirmed

    @property
    def task(self) -> Task:
        """Return what is known of the one task."""
        return self.state.kept.tasks["rank"]


def fresh(**settings: Any) -> Played:
    """Return a device that has started, and whose first check is under way."""
    device = Played(Settings("ann", **{"patience_s": 0, **settings}))
    device.hear(Started())
    while not device.state.checking:
        device.sleep()
    return device


def of(kind: type[Action], actions: Iterable[Action]) -> list[Any]:
    """Return those of ACTIONS that are of KIND."""
    return [one for one in actions if isinstance(one, kind)]


def reports(actions: Iterable[Action]) -> list[tuple[str, str]]:
    """Return what ACTIONS tell the service."""
    return [(one.release, one.state) for one in of(Report, actions)]


# ---------------------------------------------------------------- the way of a release


def test_a_release_is_fetched_proved_run_and_confirmed() -> None:
    """Each step is saved before the next is begun, and twenty runs end the trial."""
    device = fresh()
    assert device.answer({"rank": A}) == [Save(Kept(1)), Fetch("rank", A)]
    assert device.hear(Fetched("rank", A)) == [Save(device.state.kept), Prove("rank", A)]
    assert device.task.next == A
    found = device.hear(Proved("rank", A))
    assert isinstance(found[0], Save)
    assert of(Run, found) == [Run("rank", A)]  # nothing to be patient for
    assert reports(found) == [("rank-a", "installed"), ("rank-a", "active")]
    assert not device.task.confirmed
    device.hear(Counted("rank", "rank-a", 19, 0))
    assert not device.task.confirmed
    device.hear(Counted("rank", "rank-a", 20, 2))
    assert device.task == Task(active=A)


def test_it_waits_for_a_quiet_moment_or_long_enough() -> None:
    """What is proved runs at once when nobody waits for an answer, or after the patience."""
    for quiet in (True, False):
        device = fresh(patience_s=3_600)
        device.answer({"rank": A})
        assert of(Run, device.hear(Fetched("rank", A), Proved("rank", A))) == []
        found = device.hear(Quiet()) if quiet else []
        began = device.now_ms
        while device.task.active is None:
            device.sleep()
            device.hear(Unchanged(), Sent())
        assert bool(of(Run, found)) == quiet
        assert device.now_ms - began == (0 if quiet else HOUR)


def test_the_one_before_stays_until_the_next_is_confirmed() -> None:
    """A release that was never confirmed is none to go back to."""
    device = fresh()
    device.install(A)
    device.confirm()
    device.install(B, 2)
    assert (device.task.active, device.task.fallback) == (B, A)
    device.install(C, 3)  # B was never confirmed: it is no release to go back to
    assert (device.task.active, device.task.fallback) == (C, A)


@pytest.mark.parametrize(
    ("runs", "failures", "back"), [(3, 3, True), (20, 3, True), (1_000, 149, False), (1_000, 150, True)]
)
def test_failing_runs_take_a_release_back(runs: int, failures: int, back: bool) -> None:
    """Three of twenty runs, or that share of more; then it is not tried again, and others are."""
    device = fresh()
    device.install(A)
    device.confirm()
    device.install(B, 2)
    found = device.hear(Counted("rank", "rank-b", runs, failures, "it broke"))
    assert (of(Run, found) == [Run("rank", A)]) == back
    assert (device.task.active == A) == back
    if back:
        (told,) = of(Report, found)
        assert (told.release, told.state) == ("rank-b", "rolled_back")
        assert told.error.startswith("it broke; ")
        assert of(Fetch, device.answer({"rank": B}, 3)) == []  # it is never tried again
        assert of(Fetch, device.answer({"rank": C}, 4)) == [Fetch("rank", C, (A,))]


def test_a_first_release_that_fails_leaves_what_the_app_has() -> None:
    """Where nothing was confirmed before, nothing runs."""
    device = fresh()
    device.install(A)
    assert of(Run, device.hear(Counted("rank", "rank-a", 5, 5))) == [Run("rank", None)]


def test_counts_of_another_release_say_nothing() -> None:
    """A count that comes late, or of another task, changes nothing."""
    device = fresh()
    device.install(A)
    assert device.hear(Counted("rank", "rank-b", 9, 9), Counted("other", "rank-a", 9, 9)) == []


def test_a_service_that_goes_back_is_obeyed_at_once() -> None:
    """The one before is here: no transfer, no proof, no quiet moment."""
    device = fresh(patience_s=3_600)
    device.settings = Settings("ann", patience_s=0)
    device.install(A)
    device.confirm()
    device.install(B, 2)
    device.settings = Settings("ann", patience_s=3_600)
    found = device.answer({"rank": A}, 3)
    assert of(Run, found) == [Run("rank", A)]
    assert device.task == Task(active=A)


def test_a_kill_switch_stops_at_once_and_is_lifted() -> None:
    """A halted task runs nothing, after a restart too, until an answer lets it."""
    device = fresh()
    device.install(A)
    device.confirm()
    found = device.answer({}, 2, halted=["rank"])
    assert of(Run, found) == [Run("rank", None)]
    assert of(Run, device.answer({}, 3, halted=["rank"])) == []
    assert of(Run, Played(device.settings, device.state.kept).hear(Started())) == []
    assert of(Run, device.answer({"rank": A}, 4)) == [Run("rank", A)]


def test_a_task_without_a_release_runs_what_the_app_has() -> None:
    """No release for this device: it stops, and what it had stays to go back to."""
    device = fresh()
    device.install(A)
    device.confirm()
    assert of(Run, device.answer({}, 2)) == [Run("rank", None)]
    assert of(Run, device.answer({"rank": A}, 3)) == [Run("rank", A)]  # it is still here


def test_the_same_bytes_by_another_release_are_not_fetched() -> None:
    """A control arm is a name: its counts begin anew, its trial goes on."""
    device = fresh()
    device.install(A)
    again = Assigned("control", A.bundle, A.graph_id)
    found = device.answer({"rank": again}, 2)
    assert (of(Fetch, found), of(Run, found)) == ([], [Run("rank", again)])
    assert reports(found) == [("rank-a", "alive"), ("control", "active")]
    assert not device.task.confirmed  # the trial goes on


def test_one_release_is_fetched_at_a_time() -> None:
    """The next one begins when the one before is proved."""
    device = fresh()
    assert of(Fetch, device.answer({"a": A, "b": B})) == [Fetch("a", A)]
    found = device.hear(Fetched("a", A))
    assert (of(Prove, found), of(Fetch, found)) == ([Prove("a", A)], [])
    assert of(Fetch, device.hear(Proved("a", A))) == [Fetch("b", B)]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("moment", ["fetching", "proving"])
@pytest.mark.parametrize("fault", ["network", "refused", "bad"])
def test_a_fault_decides_whether_it_is_tried_again(moment: str, fault: Any) -> None:
    """Network: silently; refused: told once; bad: told and never again."""
    device = fresh()
    device.answer({"rank": A})
    told = []
    for _ in range(4):
        if moment == "proving":
            device.hear(Fetched("rank", A))
        told += reports(device.hear(Failed("rank", A, fault, "why")))
        for _ in range(50):
            if of(Fetch, device.sleep()):
                break
            device.hear(Unchanged(), Sent())
    assert told == [("rank-a", "failed")] * (fault != "network")
    assert len(of(Fetch, device.done)) == (1 if fault == "bad" else 5)
    known = device.state.kept.tasks.get("rank", Task())
    assert known.bad == ((mark(A),) if fault == "bad" else ())


def test_what_can_not_be_run_is_taken_back_and_fetched_anew() -> None:
    """Damage on the device is not the release's fault: a full answer is asked for."""
    device = fresh()
    device.install(A)
    device.confirm()
    device.install(B, 2)
    device.confirm()
    found = device.hear(Failed("rank", B, "refused", "damaged"))
    assert of(Run, found) == [Run("rank", A)]
    assert device.state.etag == ""
    assert of(Fetch, device.answer({"rank": B}, 2)) == [Fetch("rank", B, (A,))]


def test_ends_of_the_process_in_a_trial_are_counted() -> None:
    """Two are forgiven, and ends elsewhere are not counted."""
    device = fresh()
    device.install(A)
    device.confirm()
    device.install(B, 2)
    died = Started(frozenset({mark(B)}))
    for _ in range(2):
        device = Played(device.settings, device.state.kept)
        assert of(Run, device.hear(died)) == [Run("rank", B)]
        assert of(Run, Played(device.settings, device.state.kept).hear(Started())) == [Run("rank", B)]
    device = Played(device.settings, device.state.kept)
    found = device.hear(died)
    assert of(Run, found) == [Run("rank", A)]
    assert reports(found) == [("rank-b", "rolled_back")]


def test_ends_of_the_process_in_a_proof_are_counted() -> None:
    """Two are forgiven, then it is bad: no device ends for ever in its examples."""
    device = fresh()
    device.answer({"rank": A})
    device.hear(Fetched("rank", A))
    for tried in range(4):
        device = Played(device.settings, device.state.kept)
        found = device.hear(Started(frozenset({mark(A)})))
        assert reports(found) == [("rank-a", "failed")] * (tried == 2)
        assert bool(of(Fetch, device.answer({"rank": A}))) == (tried < 2)
        device.hear(Fetched("rank", A))


def test_a_restart_goes_on_with_what_is_ready() -> None:
    """It is not fetched again, and not run before somebody says that it is wanted still."""
    device = fresh(patience_s=3_600)
    device.answer({"rank": A})
    device.hear(Fetched("rank", A), Proved("rank", A))
    device = Played(device.settings, device.state.kept)
    device.hear(Started())
    assert of(Run, device.hear(Quiet())) == []  # nobody has said yet that it is still wanted
    assert of(Fetch, device.answer({"rank": A})) == []
    assert of(Run, device.hear(Quiet())) == [Run("rank", A)]


def test_an_old_answer_is_not_believed() -> None:
    """A ruleset below the one that was acted on changes nothing, in one line."""
    device = fresh()
    device.answer({"rank": A}, 5)
    found = device.answer({"rank": B}, 4)
    assert of(Fetch, found) == []
    assert device.state.kept.ruleset == 5
    assert "expected 5 or later, found 4" in device.state.error
    assert "\n" not in device.state.error


def test_an_expired_assignment_begins_nothing() -> None:
    """What is ready waits, and the next check asks for a new answer, not for a change."""
    device = fresh(patience_s=3_600)
    device.answer({"rank": A})
    device.hear(Fetched("rank", A), Proved("rank", A), Network(online=False))
    device.now_ms += 30 * 24 * HOUR
    assert of(Run, device.hear(Quiet(), Woke())) == []
    device.hear(Network(), Woke())
    while not device.state.checking:
        device.sleep()
    assert of(Check, device.done)[-1] == Check("")  # not whether it changed: for a new one
    assert of(Run, device.answer({"rank": A})) == [Run("rank", A)]


def test_what_can_not_be_saved_is_not_done_but_stopping() -> None:
    """A halt is obeyed on a full disk; all else is as if it had not happened."""
    device = fresh()
    device.install(A)
    device.confirm()
    before = device.state
    device.answer({"rank": B}, 2)
    device.state = before
    lost = Answered(AssignmentManifest(2, 0, {}, ("rank",)), HOUR, 900)
    assert of(Run, device.hear(Unsaved(lost, "no room"))) == [Run("rank", None)]
    assert device.state.kept == before.kept
    assert not device.state.checking
    device.answer({"rank": B}, 2)
    found = device.hear(Unsaved(Fetched("rank", B), "no room"))
    assert reports(found) == [("rank-b", "failed")]
    assert device.task.active == A


def test_a_start_on_a_full_disk_asks_and_runs_what_ran() -> None:
    """That a process died in a release can not be noted: all else goes on."""
    device = fresh()
    device.install(A)
    device = Played(device.settings, device.state.kept)
    found = device.hear(Unsaved(Started(frozenset({mark(A)})), "no room"))
    assert found == [Run("rank", A)]
    assert device.state.due_ms < device.now_ms + 60_000


def test_what_is_ready_waits_while_it_can_not_be_kept() -> None:
    """A patience that is over does not activate what no disk would know of."""
    device = fresh(patience_s=60)
    device.answer({"rank": A})
    device.hear(Fetched("rank", A), Proved("rank", A))
    device.now_ms += 60_000
    assert device.hear(Unsaved(Woke(), "no room")) == []
    assert device.now_ms < device.state.due_ms
    device.now_ms += 60_000
    assert of(Run, device.hear(Woke())) == [Run("rank", A)]


def test_what_comes_too_late_is_passed_over() -> None:
    """Outcomes of what is not wanted any more change nothing."""
    device = fresh()
    device.answer({"rank": A})
    device.answer({"rank": B}, 2)
    assert device.hear(Fetched("rank", A), Proved("rank", A), Proved("rank", B)) == []


# ---------------------------------------------------------------- when it asks


def test_checks_are_spread_by_the_id_alone() -> None:
    """The same device asks at the same moments whenever it is played; others ask at other ones."""

    def moments(name: str) -> list[int]:
        device = Played(Settings(name))
        device.hear(Started())
        found = []
        for _ in range(40):
            if of(Check, device.sleep()):
                found.append(device.now_ms)
                device.hear(Answered(AssignmentManifest(1, 0), HOUR, 900))
            else:
                device.hear(Sent())
        return found

    assert moments("ann") == moments("ann") != moments("bob")
    waits = [b - a for a, b in zip(moments("ann"), moments("ann")[1:], strict=False)]
    assert all(720_000 <= wait <= 1_080_000 for wait in waits)
    assert max(waits) - min(waits) > 200_000


def test_failed_checks_back_off_up_to_an_hour() -> None:
    """Full jitter: each wait is anywhere below a bound that doubles."""
    device = fresh()
    waits = []
    for _ in range(200):
        device.hear(Unanswered("no network"))
        waits.append(device.state.check_ms - device.now_ms)
        while not device.state.checking:
            device.sleep()
            device.hear(Unsent() if device.state.sending else Woke())
    assert all(wait <= 4_000 * 2**n for n, wait in enumerate(waits))
    assert 3_000_000 < max(waits) <= HOUR
    assert min(waits[12:]) < 600_000  # full jitter: anywhere from nothing
    assert device.state.error == "no network"


def test_a_service_may_ask_for_a_wait() -> None:
    """Retry-After holds against hints, and within a day."""
    device = fresh()
    device.hear(Unanswered("busy", retry_after_s=600))
    device.hear(Hinted(0))
    assert device.state.check_ms >= device.now_ms + 600_000
    device.hear(Unanswered("busy", retry_after_s=1 << 40))
    assert device.state.check_ms <= device.now_ms + 26 * HOUR


def test_a_hint_brings_the_check_forward() -> None:
    """Somewhere within its jitter."""
    device = fresh()
    device.hear(Unchanged(), Hinted(60))
    assert device.now_ms <= device.state.due_ms <= device.now_ms + 60_000


def test_without_a_network_nothing_is_asked_for_weeks() -> None:
    """Offline, what runs goes on; back online, the check is spread."""
    device = fresh()
    device.install(A)
    device.confirm()
    device.hear(Unchanged(), Network(online=False))
    device.done.clear()
    while device.now_ms < 60 * 24 * HOUR:
        device.sleep()
    assert (of(Check, device.done), of(Send, device.done), of(Run, device.done)) == ([], [], [])
    device.hear(Network())
    assert device.state.due_ms <= device.now_ms + 30_000


def test_a_metered_network_is_for_checks_alone() -> None:
    """Unless the settings let it, downloads wait for a free one."""
    for metered in (False, True):
        device = fresh(metered=metered)
        device.hear(Network(metered=True))
        assert bool(of(Fetch, device.answer({"rank": A}))) == metered
        assert bool(of(Fetch, device.hear(Network()))) != metered


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    """A wait longer than any of ours is over."""
    device = fresh()
    device.hear(Unchanged())
    device.now_ms -= 400 * 24 * HOUR
    assert of(Check, device.hear(Woke())) == [Check("")] or device.state.due_ms <= device.now_ms + HOUR


def test_reports_wait_for_each_other_and_are_tried_again() -> None:
    """One batch for what comes together; refused ones back off; the rest follows."""
    device = fresh()
    device.hear(Unchanged())
    device.install(A)
    while not device.state.sending:
        device.sleep()
    device.hear(Unsent(retry_after_s=60))
    assert device.state.send_ms >= device.now_ms + 60_000
    while not device.state.sending:
        device.sleep()
    assert of(Send, device.hear(Sent(more=True))) == [Send()]
    device.hear(Sent())
    assert device.state.send_ms > device.now_ms + HOUR


# ---------------------------------------------------------------- the form of a step


def test_chance_is_even() -> None:
    """By chi-square, and as the generator is published."""
    draws = [fraction(7, n) for n in range(4_000)]
    counts = [sum(k / 10 <= draw < (k + 1) / 10 for draw in draws) for k in range(10)]
    assert sum((count - 400) ** 2 / 400 for count in counts) < 27.9  # chi-square, 9 degrees, p = 0.001
    # As others publish it: the first two numbers that SplitMix64 gives for the seed 1234567.
    assert [int(fraction(1234567, n) * (1 << 53)) for n in (1, 2)] == [
        6457827717110365317 >> 11,
        3203168211198807973 >> 11,
    ]
