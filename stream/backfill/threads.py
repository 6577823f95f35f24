"""The same work on many things by several threads: NumPy gives up the interpreter's lock for most of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_order(
    work: Callable[[Given], Made], items: Iterable[Given], threads: int, *, ahead: int = 1
) -> Iterator[Made]:
    """Give WORK of each of ITEMS in their order, made by so many THREADS; 1: by the caller's own.

    At most AHEAD more than THREADS are under way or wait to be asked for: ITEMS are taken no sooner.

    Raises:
        Exception: whatever WORK or ITEMS raised first, in their order.
    """
    if threads == 1:
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # with logging, more than all of this package's modules

    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= threads + ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for late in waiting:
                late.cancel()


def each(work: Callable[[Given], Made], items: Sequence[Given], threads: int) -> list[Made]:
    """Return WORK of each of ITEMS in their order, made by so many THREADS: none waits to be asked for."""
    return list(in_order(work, items, threads, ahead=len(items)))
