"""One thread stops in the middle of a call, another one calls: it waits, and both answers are right."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.testing.clock import FakeClock
from stream import Engine, EventLog

pytestmark = pytest.mark.device

TAP = fg.Event.of("tap", {"n": fg.int64()})
_taps = fg.rows(TAP)
GRAPH = fg.Graph("taps", {"taps": _taps.count(), "ns": _taps.over("1m").sum(TAP["n"])})
OTHER = fg.Graph("other", {"most": _taps.max(TAP["n"])})
WAIT_S = 0.3  # for who must wait; a right engine is as right after any other time


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an engine that holds states of three events, with a fourth that waits for the next query."""
    with EventLog(tmp_path / "log.db", clock=FakeClock(2**60), history_start_ms="all") as log:
        engine = Engine(log, key="u")
        engine.install(GRAPH.compile())
        engine.append_many(tap(n) for n in range(1, 4))
        engine.extract(GRAPH.id, at_ms=4)
        engine.append(tap(4))
        yield engine


def tap(n: int) -> dict[str, Any]:
    """Return the event of a number, at as many ms."""
    return {"event": "tap", "ts_ms": n, "n": n}


class Call(threading.Thread):
    """A thread that makes a call; STOP names a function of ours before which it halts, once."""

    def __init__(self, call: Callable[[], Any], stop: str = "") -> None:
        super().__init__(daemon=True)
        self.call, self.stop = call, stop
        self.stopped, self.go_on = threading.Event(), threading.Event()
        self.found: Any = None
        self.start()

    def run(self) -> None:
        """Make the call, and keep what it gives or raises."""
        sys.settrace(self._halt if self.stop else None)
        try:
            self.found = self.call()
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            self.found = error

    def _halt(self, frame: FrameType, event: str, arg: object) -> None:
        if frame.f_code.co_name == self.stop and not self.stopped.is_set():
            self.stopped.set()
            assert self.go_on.wait(60)

    def end(self) -> Any:
        """Let it go on; return what the call gave."""
        self.go_on.set()
        self.join(60)
        assert not self.is_alive()
        return self.found


def between(first: Callable[[], Any], stop: str, second: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what FIRST gives, which halts before the function STOP, and SECOND, which begins then."""
    one = Call(first, stop)
    assert one.stopped.wait(60), f"expected {stop} to be called"
    two = Call(second)
    two.join(WAIT_S)
    return one.end(), two.end()


def taps(engine: Engine) -> dict[str, object]:
    """Return the values of the four events."""
    return dict(engine.extract(GRAPH.id, at_ms=5).values)


@pytest.mark.parametrize("stop", ["push", "answer", "drain"])
def test_two_queries(engine: Engine, stop: str) -> None:
    """What waits is pushed once, whoever asks beside."""
    right = {"taps": 4, "ns": 10}
    assert between(lambda: taps(engine), stop, lambda: taps(engine)) == (right, right)
    assert taps(engine) == right


def test_a_query_beside_a_plan_that_comes(engine: Engine) -> None:
    """A plan is there as soon as it can be answered, and not before."""
    found = between(
        lambda: engine.install(OTHER.compile()),
        "_bind",
        lambda: dict(engine.extract(OTHER.id, at_ms=5).values),
    )
    assert found == (OTHER.id, {"most": 4})
    assert taps(engine) == {"taps": 4, "ns": 10}


def test_a_query_beside_an_event(engine: Engine) -> None:
    """An event that the log has taken, but its engine not yet, is counted once."""
    first, second = between(lambda: engine.append(tap(5)).accepted, "take", lambda: taps(engine))
    assert (first, second) == (1, {"taps": 4, "ns": 10})
    assert dict(engine.extract(GRAPH.id, at_ms=6).values) == {"taps": 5, "ns": 15}
