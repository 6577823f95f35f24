"""What an update sends, of the full file, and what a device's machine costs: python benchmarks/updates.py.

Synthetic models of 3 MB that nothing compresses; rows of 128 bytes change. Bytes are counted where they are
sent. The machine is timed in process CPU over the life of one device, checks and reports among its events.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.device.disk import Disk
from deploy.device.fetch import fetch
from deploy.device.kept import Kept, Task
from deploy.device.machine import begin, step
from deploy.device.settings import Settings
from deploy.device.words import Check, Send, Sent, Started, Unchanged, Woke
from deploy.testing.shelf import Shelf, noise, sparse
from deploy.wire.assignment import Assigned
from deploy.wire.check import BLOBS

SIZE = 3 << 20
EVENTS = 50_000


def main() -> None:
    """Print all figures."""
    old = noise(1, SIZE)
    for share in (0.001, 0.01, 0.05):
        new = sparse(old, share, seed=7)  # of another stream than the model
        print(f"{share:.1%} of the rows changed: {sent(old, new) / SIZE:.2%} of the file sent")
    cuts = [SIZE // 5, SIZE // 5, SIZE // 5, SIZE // 5]
    print(f"a full file under four cuts: {sent(b'', old, cuts) / SIZE:.4f} of the needed bytes")
    print(f"the machine: {machine_us():.1f} us of CPU an event, {EVENTS:,} events")


def sent(old: bytes, new: bytes, cuts: list[int] | None = None) -> int:
    """Return the bytes of contents that are sent to bring a device from OLD to NEW."""
    shelf = Shelf()
    first, second = shelf.release("release", old), shelf.release("release", new)
    with folder() as disk:
        if old:
            fetch(shelf, disk, shelf.vouch, "rank", first)
            shelf.delta(old, new)
        else:  # all but the model is there, so that the cuts fall into it
            for path, content in shelf.contents.items():
                if content != new:
                    disk.put(path.removeprefix(BLOBS), content)
        shelf.sent, shelf.cuts = 0, cuts or []
        fetch(shelf, disk, shelf.vouch, "rank", second, held=[first])
    return shelf.sent


@contextmanager
def folder() -> Iterator[Disk]:
    """Give a device's folder."""
    with tempfile.TemporaryDirectory() as place:
        disk = Disk(Path(place))
        yield disk
        disk.close()


def machine_us() -> float:
    """Return what an event costs a device of three tasks."""
    tasks = {name: Task(active=Assigned(name, "a" * 64, "0" * 64)) for name in ("rank", "ads", "news")}
    settings, state, now_ms, events = Settings("ann"), begin(Kept(1, tasks)), 0, 0
    state, _ = step(settings, state, Started(), now_ms)
    began = time.process_time()
    while events < EVENTS:
        now_ms = state.due_ms
        state, actions = step(settings, state, Woke(), now_ms)
        events += 1
        for action in actions:
            if isinstance(action, Check | Send):
                outcome = Unchanged() if isinstance(action, Check) else Sent()
                state, _ = step(settings, state, outcome, now_ms)
                events += 1
    return 1e6 * (time.process_time() - began) / events


if __name__ == "__main__":
    main()
