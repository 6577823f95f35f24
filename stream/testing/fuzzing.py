"""Inputs of a decoder by chance, until the time is up: each is taken, or refused as the decoder refuses.

An input that does something new (another error, or one raised elsewhere) joins those that further ones are
made of. Anything but the named errors is a failure: another error, one of more than a line, a hang, and with
`bound_memory` an allocation without bound.
"""

from __future__ import annotations

import re
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

from stream.testing.mutation import mutated

LONGEST_S: Final = 10  # of the processor, for one input
LONGEST_LINE: Final = 4_000
_MOST_KEPT: Final = 4_000
_VARIES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|b'.*|\d+")

Mutate = Callable[[Random, bytes, Sequence[bytes]], bytes]


class HangError(Exception):
    """Say that an input took too long."""


@dataclass(frozen=True, slots=True)
class Target:
    """A decoder: what it takes, and how it refuses.

    take: raises one of `refuses` for what is wrong, AssertionError for a result that cannot be right.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]  # sound inputs
    take: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    mutate: Mutate = mutated


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that did what none may."""

    target: str
    data: bytes
    what: str

    @property
    def name(self) -> str:
        """Return the name of the file that keeps it."""
        return sha256(self.data).hexdigest()[:16]


@dataclass(slots=True)
class Report:
    """What a time of fuzzing was good for."""

    target: str
    inputs: int = 0
    taken: int = 0
    ways: set[str] = field(default_factory=set)  # in which inputs were refused
    failures: dict[str, Failure] = field(default_factory=dict)  # one by what went wrong


def attempt(target: Target, data: bytes) -> str:
    """Return how DATA was refused, '' if it was taken; raise AssertionError if it failed."""
    try:
        with _bounded_time():
            target.take(data)
    except target.refuses as error:
        said = str(error)
        assert "\n" not in said, f"more than one line: {said!r:.200}"
        assert len(said) < LONGEST_LINE, f"a line of {len(said)} characters: {said:.200}"
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} {where.filename}:{where.lineno} {_VARIES.sub('_', said)[:200]}"
    except (Exception, RecursionError) as error:
        raise AssertionError(f"{_place(error)} {type(error).__name__}: {error!s:.300}") from error
    return ""


def fuzz(target: Target, seconds: float, rng: Random, kept: Sequence[bytes] = (), least: int = 0) -> Report:
    """Try KEPT, the target's seeds, and what can be made of them for SECONDS, and LEAST inputs at least."""
    report = Report(target.name)
    pool: list[bytes] = []
    end = time.monotonic() + seconds
    for data in _inputs(target, rng, [*kept, *target.seeds()], pool):
        known = len(report.ways)
        try:
            way = attempt(target, data)
            report.ways.add(way)
            report.taken += not way
        except AssertionError as error:
            report.failures.setdefault(_VARIES.sub("_", str(error)), Failure(target.name, data, str(error)))
        report.inputs += 1
        if len(report.ways) > known and len(pool) < _MOST_KEPT:
            pool.append(data)
        if time.monotonic() > end and report.inputs >= least:
            break
    return report


def _inputs(target: Target, rng: Random, seeds: Sequence[bytes], pool: list[bytes]) -> Iterator[bytes]:
    yield from seeds
    while True:
        # What is new is changed further; a sound input has more that can be damaged.
        base = rng.choice(pool) if pool and rng.random() < 0.5 else rng.choice(seeds)
        yield target.mutate(rng, base, seeds)


def kept_inputs(folder: Path) -> list[bytes]:
    """Return the inputs that FOLDER keeps: failures of the past."""
    return [file.read_bytes() for file in sorted(folder.glob("*")) if file.is_file()]


@contextmanager
def _bounded_time() -> Iterator[None]:
    """Raise HangError where the work inside takes too much of the processor; where the system can tell."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: object) -> None:
        raise HangError(f"took more than {LONGEST_S} s")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def bound_memory(more_bytes: int) -> bool:
    """Let this process have MORE_BYTES of memory beyond what it has; tell whether the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return True
    return False


def _place(error: BaseException) -> str:
    frame: Any = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
