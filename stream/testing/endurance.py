"""Long use of a log and its engine, in a process of its own: what grows, and what must not.

    python -m stream.testing.endurance append EVENTS FOLDER
    python -m stream.testing.endurance days DAYS FOLDER
    python -m stream.testing.endurance threads SECONDS FOLDER

Each prints its figures as JSON. Values are held against the reference on the way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

import featuregraph as fg
from featuregraph.reference import answer
from featuregraph.testing.clock import FakeClock
from featuregraph.values import same
from stream.engine import Engine
from stream.log import EventLog
from stream.testing.lives import GRAPH, KEYS, NOW, event

DAY_MS: Final = 86_400_000
_CALL: Final = 1_000  # events appended at a time
_HELD_MS: Final = 7 * DAY_MS
_A_DAY: Final = 100_000  # events at most, in `append`


class Appended(msgspec.Struct):
    """What many events did to a process and its files."""

    events: int
    held: int
    seconds: float
    memory_mib: list[float]  # of the process, at tenths of the way
    files_mib: list[float]


class Days(msgspec.Struct):
    """What the process and its files were like at the end of each day."""

    events: int = 0
    queries: int = 0
    cells: int = 0  # values held against the reference
    memory_mib: list[float] = []
    files_mib: list[float] = []
    open_files: list[int] = []


class Threads(msgspec.Struct):
    """What one writing and four reading threads did."""

    written: int
    extracted: int  # each held against what one thread alone is told
    compared: int  # times at which that was held against the reference


def appended(count: int, folder: Path) -> Appended:
    """Append COUNT events of many days in calls; each day forget what is older than a week of them."""
    path, clock, a_day = folder / "events.db", FakeClock(NOW), min(_A_DAY, count // 20)
    memory, files, began = [], [], time.perf_counter()
    with EventLog(path, clock=clock) as log:
        for first in range(0, count, _CALL):
            now_ms = NOW + (first + _CALL) * DAY_MS // a_day
            clock.set(now_ms)
            log.append_many(
                event(n, NOW + n * DAY_MS // a_day) for n in range(first, min(first + _CALL, count))
            )
            if (first // _CALL + 1) % (a_day // _CALL) == 0:
                log.forget(before=now_ms - _HELD_MS)
            if (first // _CALL) % max(1, count // _CALL // 10) == 0:
                memory.append(memory_mib())
                files.append(_files_mib(path))
        held = log.count
    seconds = time.perf_counter() - began
    return Appended(count, held, seconds, [*memory, memory_mib()], [*files, _files_mib(path)])


# ---------------------------------------------------------------- days


def days(count: int, folder: Path) -> Days:
    """Live COUNT days of a device: events, queries, jumps of the clock, restarts; forget after a week."""
    found, path, clock, rng = Days(), folder / "events.db", FakeClock(NOW), Random(5)
    known: deque[Mapping[str, Any]] = deque()  # of the last week, as the reference is told
    number = 0
    log, engine = _opened(path, clock)
    for day in range(count):
        start = NOW + day * DAY_MS
        for hour in range(24):
            true_ms = start + hour * DAY_MS // 24
            # A clock that jumps by days, and back: nothing may come to depend on it but known_ms.
            clock.set(true_ms + rng.choice((0, 0, 0, 3, -3, 9)) * DAY_MS)
            batch = [event(number + n, true_ms + n * 1_000) for n in range(rng.randint(10, 40))]
            number += len(batch)
            engine.append_many(batch)
            known.extend(batch)
            for key in KEYS:
                engine.extract(GRAPH.id, key=key, at_ms=true_ms + 3_600_000)
                found.queries += 1
        end = start + DAY_MS
        clock.set(end)
        engine.forget(before=end - _HELD_MS)
        while known and known[0]["ts_ms"] < end - _HELD_MS:
            known.popleft()
        found.cells += _compare(engine, known, [{"key": key, "t": end} for key in KEYS])
        if day % 3 == 2:
            assert log.check() == []
            log.close()
            log, engine = _opened(path, clock)
        _look(found, path)
    log.close()
    found.events = number
    return found


def _opened(path: Path, clock: FakeClock) -> tuple[EventLog, Engine]:
    # An event is never too far ahead here: it is the clock that is wrong.
    log = EventLog(path, clock=clock, history_start_ms="all", max_future=None)
    engine = Engine(log)
    engine.install(GRAPH.compile())
    return log, engine


def _look(found: Days, path: Path) -> None:
    found.memory_mib.append(memory_mib())
    found.files_mib.append(_files_mib(path))
    found.open_files.append(_open_files())


def _compare(
    engine: Engine, events: Iterable[Mapping[str, Any]], queries: Iterable[Mapping[str, Any]]
) -> int:
    """Hold what ENGINE says to QUERIES against the reference over EVENTS; return how many values."""
    asked, cells = list(queries), 0
    for query, told in zip(asked, answer(GRAPH, list(events), asked), strict=True):
        values = dict(engine.extract(GRAPH.id, key=query["key"], at_ms=query["t"]).values)
        assert same(values, told.values), f"{query}: expected {told.values}, found {values}"
        cells += len(values)
    return cells


# ---------------------------------------------------------------- threads

_VIEW: Final = fg.Event.of("view", {"n": fg.int64(), "x": fg.float64(), "item": fg.category()})
_ROWS: Final = fg.rows(_VIEW)
SHARED: Final = fg.Graph(
    "shared",
    {
        "count": _ROWS.count(),
        "minute": _ROWS.over("1m").sum(_VIEW["n"]),
        "exact": _ROWS.over("5m").sum(_VIEW["x"]),
        "top": _ROWS.over("2m").topk(_VIEW["item"], 3),
        "last": _ROWS.last(_VIEW["item"]),
        "distinct": _ROWS.over("10m").distinct(_VIEW["item"]),
    },
)
_STEP_MS: Final = 100
_BEHIND: Final = (0, 1, 37, 400)  # events, of each reader


def _view(number: int) -> dict[str, Any]:
    return {
        "event": "view",
        "user_id": "u",
        "ts_ms": NOW + number * _STEP_MS,
        "n": number % 9,
        "x": number * 0.1,
        "item": f"i{number % 11}",
    }


def threads(seconds: float, folder: Path, compared: int = 150) -> Threads:
    """Let one thread append and four extract for SECONDS; each vector is what one thread alone is told.

    And that is the reference's, at COMPARED of the times. A reader asks for times that the writer has passed,
    so that the answer does not depend on who was faster.
    """
    with EventLog(folder / "events.db", clock=FakeClock(2**62), history_start_ms="all") as log:
        engine = Engine(log, "u")
        engine.install(SHARED.compile())
        written, stop = [0], threading.Event()
        sys.setswitchinterval(1e-5)  # threads meet in the middle of things
        taken: list[list[tuple[int, dict[str, object]]]] = [[] for _ in _BEHIND]

        def write() -> None:
            while not stop.is_set():
                engine.append(_view(written[0]))
                written[0] += 1
                if written[0] % 20 == 0:
                    time.sleep(0.002)  # let the readers in

        def read(behind: int, found: list[tuple[int, dict[str, object]]]) -> None:
            while not stop.is_set():
                t = NOW + max(written[0] - behind, 0) * _STEP_MS
                found.append((t, dict(engine.extract(SHARED.id, at_ms=t).values)))

        _run([write, *_readers(read, taken)], stop, seconds)
        every = [one for found in taken for one in found]
        alone = _told_alone(log, sorted({t for t, _ in every}))
        for t, values in every:
            assert same(values, alone[t]), f"at {t}: expected {alone[t]}, found {values}"
        sample = list(alone)[:: max(1, len(alone) // compared)]
        queries = [{"key": "u", "t": t} for t in sample]
        told = answer(SHARED, [_view(n) for n in range(written[0])], queries)
        for t, expected in zip(sample, told, strict=True):
            assert same(alone[t], expected.values), f"at {t}: expected {expected.values}, found {alone[t]}"
        return Threads(written[0], len(every), len(sample))


def _told_alone(log: EventLog, times: Iterable[int]) -> dict[int, dict[str, object]]:
    """Return what an engine of its own says at TIMES, which ascend."""
    engine = Engine(log, "u")
    engine.install(SHARED.compile())
    return {t: dict(engine.extract(SHARED.id, at_ms=t).values) for t in times}


def _readers(read: Callable[..., None], taken: list[Any]) -> Iterator[Callable[[], None]]:
    for behind, found in zip(_BEHIND, taken, strict=True):
        yield lambda behind=behind, found=found: read(behind, found)  # type: ignore[misc]


def _run(works: Iterable[Callable[[], None]], stop: threading.Event, seconds: float) -> None:
    """Run WORKS, a thread each, until SECONDS are over or one fails; raise what it raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            errors.append(error)
            stop.set()

    started = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in started:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in started:
        thread.join(timeout=60)
        assert not thread.is_alive(), "expected every thread to end, found one that hangs"
    if errors:
        raise errors[0]


# ---------------------------------------------------------------- looking


def memory_mib() -> float:
    """Return the memory that this process holds now, or ever held where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # bytes on macOS
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _files_mib(path: Path) -> float:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / (1 << 20)


def _open_files() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no paths are wanted
    except OSError:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208


_KINDS: Final[Mapping[str, tuple[Callable[[Any, Path], Any], Any, Any]]] = {
    "append": (appended, int, Appended),
    "days": (days, int, Days),
    "threads": (threads, float, Threads),
}


def endured(kind: str, size: float, folder: Path) -> Any:
    """Run a KIND of long use in a process of its own; return its figures."""
    command = [sys.executable, "-m", __name__, kind, str(size), str(folder)]
    found = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own
    assert found.returncode == 0, f"{kind} {size}: {found.stderr[-3000:]}"
    return msgspec.json.decode(found.stdout, type=_KINDS[kind][2])


def main() -> None:
    """Print the figures of the kind of use that is asked for."""
    kind, size, folder = sys.argv[1:]
    use, number, _ = _KINDS[kind]
    found = use(number(size), Path(folder))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
