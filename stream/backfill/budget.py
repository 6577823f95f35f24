"""How many buckets, and how much of them at once, so that a run keeps to its memory. Pure.

What fits is computed by the run's own process, in threads if its executor has a use for them; what does not,
and what can be resumed, by buckets on disk and processes over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featuregraph.types import MapType, RecordType, Type
from stream.errors import BackfillError

if TYPE_CHECKING:
    from featuregraph import Plan
    from featuregraph.ir import Node

MIB = 1 << 20
BASE = 184 * MIB  # a process with its libraries, before it reads anything
LEAST = 8 * MIB  # in which anything can be done
MOST_BUCKETS = 256  # as many files are open at once
_FINE = 4  # buckets to a part: keys differ in size, and neighbours join
_ANSWERED = 2  # times that an answer is there: as it was computed, and in the order of the queries
_VALUE_BYTES, _VECTOR_BYTES = 9, 4  # of a value with whether it is known; of each number of a vector
_LONG = 16  # values of a list whose length nobody bounds
_WAYS = 8  # parts to a worker where memory does not matter, so that all end at about one time


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may hold.

    Args:
        workers: how many processes compute.
        part: bytes of flat events of one part; None: any.
        chunk: bytes of flat events that are sorted at once.
        least: how few buckets there are, if there are any.
        whole: bytes of flat events that the run's own process may compute without buckets; None: any.
        swell: bytes that a part takes for each byte of it.
        answers: bytes of a part that all answers weigh as much as, on top of its events.
    """

    workers: int
    part: int | None
    chunk: int = 64 * MIB
    least: int = 1
    whole: int | None = None
    swell: int = 0
    answers: int = 0

    @property
    def is_free(self) -> bool:
        """Tell whether one process may hold all at once."""
        return self.whole is None

    def buckets(self, size: float | None) -> int:
        """Return how many buckets events of SIZE bytes need; None: nobody knows."""
        if size is None:
            return MOST_BUCKETS
        wanted = 0 if self.part is None else _FINE * (int((size + self.answers) / self.part) + 1)
        return min(max(self.least, wanted), MOST_BUCKETS)

    def parts(self, sizes: Sequence[int]) -> list[range]:
        """Return neighbouring buckets joined to parts of at most `part` bytes, or of one bucket."""
        if self.part is None:
            return [range(bucket, bucket + 1) for bucket in range(len(sizes))]
        found, start, held = [], 0, 0
        for bucket, size in enumerate(self._weights(sizes)):
            if bucket > start and held + size > self.part:
                found.append(range(start, bucket))
                start, held = bucket, 0
            held += size
        return [*found, range(start, len(sizes))]

    def _weights(self, sizes: Sequence[int]) -> list[int]:
        """Return what the buckets of SIZES weigh with their answers, as if keys asked alike."""
        return [size + self.answers // max(1, len(sizes)) for size in sizes]

    def beyond(self, sizes: Sequence[int]) -> int | None:
        """Return how many bytes the largest bucket of SIZES may take, None if that is within the budget."""
        most = max(self._weights(sizes), default=0)
        return None if self.part is None or most <= self.part else most * (1 + self.swell)


def room_of(memory: int, processes: int = 1) -> int:
    """Return how many bytes of MEMORY are left to so many PROCESSES, once they are there; 0: none."""
    return max(0, memory - processes * BASE)


def budget_of(
    memory: int | None,
    workers: int,
    swell: int,
    *,
    resumed: bool = False,
    threads: bool = False,
    held: int = 0,
    answers: int = 0,
) -> Budget:
    """Return the budget of a run.

    Args:
        memory: bytes that all its processes may take together; None: any.
        workers: how many processes compute; 1: the run's own.
        swell: bytes that an executor takes for each byte of a part.
        resumed: whether the run goes on where another one was cut: then it has several parts.
        threads: whether workers may be threads of the run's own process.
        held: bytes of queries, which stay in memory.
        answers: bytes of all answers, about.

    Raises:
        BackfillError: there are no workers, or no memory for them.
    """
    if workers < 1:
        raise BackfillError(f"expected at least one worker, found {workers}; correct it")
    alone = not resumed and (workers == 1 or threads)
    ways = 1 if workers == 1 and not resumed else _WAYS * workers
    if memory is None:
        return Budget(workers, None, least=ways, whole=None if alone else 0)
    processes = workers if workers == 1 else workers + 1
    least = processes * (BASE + LEAST) + held
    if memory < least:
        who = "one process" if processes == 1 else f"{processes} processes"
        asked = f" and {-(-held // MIB)}MiB of queries" if held else ""
        raise BackfillError(
            f"expected a memory of at least {-(-least // MIB)}MiB for {who}{asked}, found"
            f" {memory // MIB}MiB; give more, or fewer workers"
        )
    room = room_of(memory, processes) - held
    part = max(MIB, room // workers // (1 + swell))
    heavy = _ANSWERED * answers // (1 + swell)
    whole = max(0, (room_of(memory) - held) // (1 + swell) - heavy) if alone else 0
    return Budget(workers, part, max(MIB, room // 8), ways, whole, swell, heavy)


def row_bytes(plan: Plan) -> int:
    """Return how many bytes the answers of PLAN to one query take, about: a list is as long as it may be."""
    return sum(_node_bytes(node) for node in plan.features.values())


def _node_bytes(node: Node) -> int:
    kind = node.type
    if isinstance(kind, Type):
        return _scalar_bytes(kind) * (_LONG if node.per_candidate else 1)
    length = node.get("n") or node.get("k") or _LONG
    if isinstance(kind, RecordType):
        return length * sum(_scalar_bytes(type) for _, type in kind.items)
    parts = (kind.key, kind.value) if isinstance(kind, MapType) else (kind.item,)
    return length * sum(map(_scalar_bytes, parts))


def _scalar_bytes(type: Type) -> int:
    return _VECTOR_BYTES * (type.param or 1) if type.kind == "vector" else _VALUE_BYTES
