"""The same work by several threads: in order, a few at a time, the first failure raised, none left over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from stream.backfill.threads import each, in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_is_made_comes_in_order(threads: int) -> None:
    """Whoever ends first."""
    late = threading.Event()

    def work(number: int) -> int:
        if threads > 1 and not number:
            late.wait(10)
        if number:
            late.set()
        return number * number

    assert list(in_order(work, range(40), threads)) == [number * number for number in range(40)]


def test_items_are_taken_no_sooner_than_they_are_needed() -> None:
    """A block of events is large: there is one for each thread, and one that is asked for."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    for number in in_order(lambda n: n, items(), 2):
        assert len(taken) <= number + 3


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_failure_in_order_is_raised(threads: int) -> None:
    """No thread is left, and no work is begun after it but what was under way."""

    def work(number: int) -> int:
        if number >= 5:
            raise ValueError(number)
        return number

    found: list[int] = []
    with pytest.raises(ValueError, match=r"^5$"):
        found.extend(in_order(work, range(1_000), threads))
    assert found == list(range(5))
    assert not any(thread.name.startswith("ThreadPool") for thread in threading.enumerate())


def test_nobody_waits_for_what_is_slow() -> None:
    """All others are made meanwhile by the threads that are left."""
    others = threading.Semaphore(0)

    def work(number: int) -> int:
        if number:
            others.release()
        else:
            assert all(others.acquire(timeout=10) for _ in range(9))
        return -number

    assert each(work, range(10), 2) == [-number for number in range(10)]
    assert each(work, [], 2) == []
