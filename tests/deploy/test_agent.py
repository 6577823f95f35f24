"""The agent of a device, from a check to a release that runs, with everything that goes wrong between."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.device.disk import is_runnable
from deploy.device.kept import mark
from deploy.device.marks import Marks
from deploy.device.outbox import Outbox
from deploy.device.ports import Asking
from deploy.device.words import Network, Quiet
from deploy.errors import InstallError, TrustError
from deploy.testing.played import Played
from deploy.testing.shelf import Shelf, entry, noise
from deploy.wire.assignment import Assigned
from deploy.wire.check import BLOBS
from deploy.wire.report import MAX_REPORTS, Report

pytestmark = pytest.mark.device

HOUR = 3_600
MODEL = noise(1, 20_000)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Played]:
    """Give a device that runs the release `first`, confirmed."""
    played = Played(tmp_path)
    played.shelf.assign(1, rank=played.shelf.release("first", MODEL))
    played.live(60)
    played.passed()
    yield played
    played.close()


def states(shelf: Shelf) -> list[tuple[str, str]]:
    """Return what the service was told, but of counts."""
    return [(one.release, one.state) for one in shelf.reports if one.state != "alive"]


def test_a_release_runs_within_a_minute_and_is_told(device: Played) -> None:
    """It is fetched, proved, run, confirmed; the service hears of it in one batch."""
    assert device.host.running() == "first"
    assert device.agent.state.kept.tasks["rank"].confirmed
    assert device.host.proofs == ["first"]
    device.live(120)
    assert states(device.shelf) == [("first", "installed"), ("first", "active")]
    device.live(2 * HOUR)
    (told, *_) = [one for one in device.shelf.reports if one.state == "alive"]
    assert told.counts.runs == 20


def test_a_restart_runs_what_ran_without_a_network(device: Played) -> None:
    """Offline, at once, and for long."""
    device.shelf.answer = None
    device.restart()
    assert device.host.running() == "first"
    device.live(8 * 24 * HOUR)
    assert device.host.running() == "first"
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(2 * HOUR)
    assert device.host.running() == "second"


def test_bad_examples_are_told_and_not_tried_again(device: Played) -> None:
    """A publisher's broken bundle never runs, and costs one transfer."""
    device.host.bad.add("second")
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(24 * HOUR)
    assert device.host.running() == "first"
    assert device.host.proofs.count("second") == 1
    assert states(device.shelf).count(("second", "failed")) == 1
    assert not device.agent.disk.holds(entry(noise(2, 20_000)).sha256)


def test_what_does_not_load_is_taken_back(device: Played) -> None:
    """A release whose examples pass and that can not be run gives way to the one before, in one line."""
    device.host.broken.add("second")
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(2 * HOUR)
    assert device.host.running() == "first"
    (told,) = [one for one in device.shelf.reports if one.state == "rolled_back"]
    assert (told.release, told.error) == ("second", "it does not load")


def test_failing_runs_are_taken_back_with_their_counts(device: Played) -> None:
    """Three failures of twenty runs on trial, and the one before runs again."""
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(HOUR)
    assert device.host.running() == "second"
    device.passed(runs=9, failures=3)
    assert device.host.running() == "first"
    device.live(HOUR)
    (told,) = [one for one in device.shelf.reports if one.state == "rolled_back"]
    assert (told.counts.runs, told.counts.failures) == (9, 3)
    assert told.error == "it broke; 3 of 9 runs failed"


def test_a_release_that_ends_the_process_is_taken_back(device: Played) -> None:
    """Three processes that died in its runs, on trial; one that died elsewhere counts for nothing."""
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(HOUR)
    for _ in range(5):
        device.restart()  # outside of a run
        assert device.host.running() == "second"
    placed = device.host.runs["rank"]
    assert placed is not None
    for died in (1, 2, 3):
        device.agent._marks.of(placed.mark).__enter__()
        device.restart()
        assert device.host.running() == ("second" if died < 3 else "first")


def test_a_kill_switch_and_two_tasks(device: Played) -> None:
    """Each task goes its own way."""
    ads = device.shelf.release("ads-1", noise(3, 9_000), "ads")
    rank = device.shelf.release("first", MODEL)
    device.shelf.assign(2, rank=rank, ads=ads)
    device.live(HOUR)
    assert (device.host.running("rank"), device.host.running("ads")) == ("first", "ads-1")
    device.shelf.assign(3, "rank", ads=ads)
    device.live(HOUR)
    assert (device.host.running("rank"), device.host.running("ads")) == (None, "ads-1")
    device.restart()
    assert (device.host.running("rank"), device.host.running("ads")) == (None, "ads-1")
    device.shelf.assign(4, rank=rank)
    device.live(HOUR)
    assert (device.host.running("rank"), device.host.running("ads")) == ("first", None)


def test_two_releases_are_on_the_disk(device: Played) -> None:
    """However many came, what runs and the one before are there, and nothing else."""
    for number in range(2, 7):
        device.shelf.assign(number, rank=device.shelf.release(f"n{number}", noise(number, 20_000)))
        device.live(HOUR)
        device.passed()
    task = device.agent.state.kept.tasks["rank"]
    assert task.active is not None
    assert task.fallback is not None
    assert (task.active.release, task.fallback.release) == ("n6", "n5")
    assert is_runnable(device.agent.disk, task.active)
    assert is_runnable(device.agent.disk, task.fallback)
    assert device.agent.disk.used < 45_000


def test_a_metered_network_waits_for_a_free_one(device: Played) -> None:
    """Checks go on, downloads wait."""
    device.agent.tell(Network(metered=True))
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(2 * HOUR)
    assert device.host.running() == "first"
    device.agent.tell(Network())
    device.live(60)
    assert device.host.running() == "second"


def test_a_quiet_moment_is_waited_for(tmp_path: Path) -> None:
    """An app that says when is exchanged under nobody's hands."""
    from deploy.device.settings import Settings

    device = Played(tmp_path, settings=Settings("ann"))
    device.shelf.assign(1, rank=device.shelf.release("first", MODEL))
    device.live(HOUR)
    assert device.host.running() is None
    device.agent.tell(Quiet())
    device.live(1)
    assert device.host.running() == "first"
    device.close()


# ---------------------------------------------------------------- bad input


def other_bytes(shelf: Shelf) -> None:
    """Offer a release, and other bytes in its model's place."""
    shelf.assign(3, rank=shelf.release("second", noise(2, 20_000)))
    shelf.contents[BLOBS + entry(noise(2, 20_000)).sha256] = noise(9, 20_000)


Lie = Callable[[Shelf], Any]
LIES: dict[str, Lie] = {
    "an old ruleset": lambda shelf: shelf.assign(1, rank=shelf.release("second", noise(2, 20_000))),
    "no JSON": lambda shelf: setattr(shelf, "answer", Raw(b"\xff\x00<html>")),
    "nothing": lambda shelf: setattr(shelf, "answer", Raw(b"")),
    "deep JSON": lambda shelf: setattr(shelf, "answer", Raw(b"[" * 100_000)),
    "no end": lambda shelf: setattr(shelf, "answer", Raw(b" " * (5 << 20))),
    "another bundle": lambda shelf: shelf.assign(3, rank=Assigned("second", "f" * 64, "0" * 64)),
    "another task's bundle": lambda shelf: shelf.assign(
        3, rank=shelf.release("second", noise(2, 9_000), "ads")
    ),
    "other bytes": other_bytes,
}


class Raw:
    """An answer of any bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def to_json(self) -> bytes:
        """Return them."""
        return self.content


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_believed_changes_nothing(device: Played, lie: str) -> None:
    """Whatever the service says: what ran runs on, no byte of it is run, and afterwards all goes on."""
    device.shelf.assign(2, rank=device.shelf.release("first", MODEL))
    device.live(HOUR)
    LIES[lie](device.shelf)
    device.live(12 * HOUR)
    assert device.host.running() == "first"
    assert device.host.proofs == ["first"]
    assert "\n" not in device.agent.state.error
    device.shelf.assign(4, rank=device.shelf.release("third", noise(4, 20_000)))
    device.live(3 * HOUR)
    assert device.host.running() == "third"


def test_an_untrusted_answer_is_asked_for_again_later(
    device: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that does not hold, or an expired one by a clock years off: the device runs what it had."""

    def refuse(*args: object) -> None:
        raise TrustError(
            "assignment: expected one that still holds, found one until 1 at 2; look at the clock"
        )

    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    with monkeypatch.context() as patch:
        patch.setattr(device.shelf, "assignment", refuse)
        device.live(24 * HOUR)
        assert device.host.running() == "first"
        assert "look at the clock" in device.agent.state.error
    device.live(2 * HOUR)
    assert device.host.running() == "second"


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumps_stops_nothing(device: Played, years: int) -> None:
    """Waits are of the time that passes; the clock of the wall is for what expires alone."""
    device.wall_ms += years * 365 * 24 * HOUR * 1_000
    device.shelf.assign(2, rank=device.shelf.release("second", noise(2, 20_000)))
    device.live(2 * HOUR)
    assert device.host.running() == "second"


def test_a_device_is_named_in_a_header() -> None:
    """What no header can say is refused before anything is asked."""
    for name in ("a\nb", "ann\u00e9", "x" * 5_000):
        with pytest.raises(InstallError, match="expected printable ASCII"):
            Asking().headers(name)
    assert Asking({"os": "ios"}, ["b", "a"]).headers("ann")["x-headrace-graphs"] == "a,b"


# ---------------------------------------------------------------- full disks


CALLS = ("pwrite", "fsync", "replace", "open")


@pytest.mark.parametrize("call", CALLS)
def test_a_disk_is_full_at_any_step(device: Played, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """From some call on all are refused: what ran runs on, and with room the update goes on.

    Every third call of an install; `make crash` cuts each of them.
    """
    refused, number = True, 0
    while refused:
        name, model = f"n{number}", noise(100 + number, 9_000)
        before = device.host.running()
        device.shelf.assign(2 + number, rank=device.shelf.release(name, model))
        limit = Limit(getattr(os, call), number, creating=call == "open")
        with monkeypatch.context() as patch:
            patch.setattr(os, call, limit)
            device.live(1_100)
            assert device.host.running() in (before, name)
        device.restart()
        assert device.host.running() in (before, name)
        device.live(7_500)
        device.passed()
        assert device.host.running() == name
        refused = limit.refused
        number += 3
    assert number > 5


class Limit:
    """A call of the system that is refused from some number on."""

    def __init__(self, call: Callable[..., Any], left: int, *, creating: bool) -> None:
        self.call = call
        self.left = left
        self.creating = creating  # refuse only what makes a file
        self.refused = False

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Do what is asked, or refuse it."""
        self.left -= 1
        if self.left < 0 and (not self.creating or args[1] & os.O_CREAT):
            self.refused = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.call(*args, **options)


# ---------------------------------------------------------------- what waits, and what runs


def test_reports_wait_in_bounds(tmp_path: Path) -> None:
    """Of too many the oldest counts go first; what is damaged is passed over; what was sent is gone."""
    path = tmp_path / "outbox"
    box = Outbox(path)
    for number in range(MAX_REPORTS + 5):
        state = "failed" if number == 0 else "alive"
        box.add(Report(f"{number:032x}", "ann", "rank", "first", state, number))  # type: ignore[arg-type]
    assert len(box) == MAX_REPORTS
    batch = Outbox(path).batch()
    assert [one.at_ms for one in batch.reports[:2]] == [0, 6]
    box.taken(batch)
    assert len(Outbox(path)) == 0
    path.write_bytes(b"\xff\n{}\n" + batch.to_json()[:50])
    assert len(Outbox(path)) == 0


def test_marks_outlive_their_process(tmp_path: Path) -> None:
    """What was being run when the process ended is told to the next one, once."""
    marks = Marks(tmp_path / "running")
    one, other = marks.of("a" * 32), marks.of("b" * 32)
    with other, other:
        one.__enter__()
    marks.close()
    marks = Marks(tmp_path / "running")
    assert marks.died == {"a" * 32}
    marks.close()
    marks = Marks(tmp_path / "running")
    assert marks.died == frozenset()
    marks.close()
    assert len(mark(Assigned("x", "a" * 64, "0" * 64))) == 32
