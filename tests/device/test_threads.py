"""One engine, many threads: every value is that of some moment between call and return."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.values import same
from stream.backfill.served import prove

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000
SECONDS = 2.5
CLICK = fg.Event.of("click", {"item": fg.category(), "n": fg.int64()})


def click(i: int) -> dict[str, Any]:
    """Return the click number I, 100 ms after the one before."""
    return {"event": "click", "ts_ms": NOW + i * 100, "item": "abc"[i % 3], "n": i % 5, "score": 0.1 * i}


def test_one_writes_and_four_read(make: Any, graph: fg.Graph) -> None:
    """Vectors taken while a writer appends are those of the reference for the events before their time.

    Each reader asks for times that the writer has passed, so that the answer does not depend on speed.
    """
    device = make()
    device.install(graph)
    device.clock.set(NOW + 10**9)
    written = 0
    stop = threading.Event()
    taken: list[tuple[int, dict[str, object]]] = []
    errors: list[BaseException] = []

    def write() -> None:
        nonlocal written
        while not stop.is_set() and written < 20_000:
            device.engine.append(click(written))
            written += 1
            if written % 50 == 0:
                time.sleep(0.001)  # let the readers in

    def read(number: int) -> None:
        while not stop.is_set():
            behind = (0, 1, 37, 400)[number]
            t = NOW + max(written - behind, 0) * 100
            vector = device.engine.extract(graph.id, at_ms=t, candidates={"item": ["a", "b"]})
            taken.append((t, vector.values))

    def guarded(work: Any, *args: Any) -> None:
        try:
            work(*args)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(write,))]
    threads += [threading.Thread(target=guarded, args=(read, n)) for n in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert not errors, errors[0]
    assert written > 50
    assert len(taken) > 20
    sample = taken[:: max(1, len(taken) // 40)]
    device.told = [{**click(i), "user_id": "me"} for i in range(written)]
    expected = device.expected(graph, *({"t": t, "request": {"item": ["a", "b"]}} for t, _ in sample))
    for (t, found), wanted in zip(sample, expected, strict=True):
        assert same(found, wanted), t


VERSIONS = [
    fg.Graph(
        f"v{number}",
        {
            "sum": fg.rows(CLICK).over("20s").sum(CLICK["n"]),
            "first": fg.rows(CLICK).first(CLICK["item"]),
            "top": fg.rows(CLICK).over(over).topk(CLICK["item"], 2),
            "seen": fg.rows(CLICK).sequence(3, {"n": CLICK["n"]}),
        },
    ).compile()
    for number, over in enumerate(("5s", "30s"))
]
ANSWERS = 40  # of each reader: the reference takes its time for each


class Served:
    """A device that several threads use, each with one of the methods here; it records what it answers."""

    def __init__(self, device: Any, graph: fg.Graph) -> None:
        self.device = device
        self.graph = graph
        self.written = 0
        device.clock.set(NOW + 10**9)
        device.engine.install(graph.compile())
        device.engine.install(VERSIONS[0])

    def write(self, stop: threading.Event) -> None:
        """Append events, every fifth late by a little and by much."""
        while not stop.is_set() and self.written < 2_000:
            late = (0, 0, 0, 7, 300)[self.written % 5]
            at = NOW + (self.written - late) * 100
            self.device.engine.append({**click(self.written), "ts_ms": at, "seq": self.written})
            self.written += 1
            if self.written % 5 == 0:
                time.sleep(0.001)  # let the readers in

    def read(self, behind: int, stop: threading.Event) -> None:
        """Ask one plan, or whichever version of the other there is, BEHIND events before the last one."""
        for number in range(ANSWERS):
            t = NOW + max(self.written - behind, 0) * 100
            if number % 2:
                lists = {"item": ["a", "b"]}
                self.device.engine.extract(self.graph.id, at_ms=t, candidates=lists, record=True)
            else:
                (version,) = self.device.engine.plans.keys() - {self.graph.id}
                with suppress(fg.RequestError):  # upgraded meanwhile
                    self.device.engine.extract(version, at_ms=t, record=True)
            stop.wait(0.02)

    def change(self, stop: threading.Event) -> None:
        """Upgrade one plan to and fro."""
        old, new = VERSIONS
        while not stop.wait(0.03):
            self.device.engine.upgrade(old.id, new)
            old, new = new, old


def test_all_that_was_served_beside_a_writer_is_computed_again(make: Any, graph: fg.Graph) -> None:
    """One writes, early and late, four read two plans, and one of these is upgraded: no cell is another.

    Each answer is recorded with what the log held at its moment, so that the reference can compute it again,
    however fast who was.
    """
    served, stop = Served(make(), graph), threading.Event()
    errors: list[BaseException] = []

    def guarded(work: Any, *args: Any) -> None:
        try:
            work(*args, stop)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    works = [(served.write,), (served.change,), *((served.read, behind) for behind in (0, 1, 37, 400))]
    threads = [threading.Thread(target=guarded, args=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads[2:]:
        thread.join(timeout=60)
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert not errors, errors[0]
    served.device.log.close()
    found = prove(served.device.path)
    assert (found.unequal, found.damaged, found.unplaced) == ([], [], 0)
    assert found.equal == found.cells > 4 * ANSWERS


def test_plans_change_while_others_extract(make: Any, graph: fg.Graph) -> None:
    """Installing, removing, forgetting and shrinking the budget beside extraction breaks nothing."""
    device = make()
    device.install(graph)
    device.clock.set(NOW + 10**9)
    device.engine.append_many(click(i) for i in range(300))
    event = fg.Event.of("click", {"n": fg.int64()})
    other = fg.Graph("other", {"n": fg.rows(event).over("1h").sum(event["n"])}).compile()
    stop = threading.Event()
    errors: list[BaseException] = []
    seen: set[object] = set()

    def read() -> None:
        try:
            while not stop.is_set():
                seen.add(device.engine.extract(graph.id, at_ms=NOW + 10**6)["clicks_1h"])
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        device.engine.install(other)
        device.engine.memory_budget = 10
        device.engine.forget(event_id="no such event")
        device.engine.remove(other.id)
        device.engine.memory_budget = "1MiB"
    stop.set()
    for thread in threads:
        thread.join(timeout=30)
    assert not errors, errors[0]
    assert seen == {300}
