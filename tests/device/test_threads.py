"""One engine, many threads: every value is that of some moment between call and return."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.values import same

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000
SECONDS = 2.5


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
