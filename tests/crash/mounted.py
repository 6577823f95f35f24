"""A log on a file system of its own, which is full or read-only: run by `unshare -rm`, so that it may mount.

Arguments: full | read-only FOLDER. Ends with a traceback where something is not as it must be.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.reference import answer
from stream import Engine, EventLog, LogError, LogFullError, LogReadOnlyError

NOW = 1_700_000_000_000
TAP = fg.Event.of("tap", {"n": fg.int64()})
_taps = fg.rows(TAP)
GRAPH = fg.Graph("taps", {"taps": _taps.count(), "ns": _taps.over("1m").sum(TAP["n"])})


def main() -> None:
    """Mount a small file system on a folder, and live on it."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    mount("-t", "tmpfs", "-o", "size=3m", "none", folder)
    {"full": full, "read-only": read_only}[kind](folder)


def mount(*words: object) -> None:
    """Run mount with WORDS."""
    subprocess.run(["mount", *map(str, words)], check=True)


def tap(number: int) -> dict[str, Any]:
    """Return the event of a NUMBER, which is large."""
    return {"event": "tap", "ts_ms": NOW + number, "user_id": "u", "n": number, "note": os.urandom(400).hex()}


def opened(path: Path, **options: Any) -> Engine:
    """Return an engine on the log at PATH."""
    engine = Engine(EventLog(path, history_start_ms="all", **options), key="u")
    engine.install(GRAPH.compile())
    return engine


def require(engine: Engine, taken: int) -> None:
    """Require the values of the first TAKEN events, and these events."""
    t = NOW + taken
    (expected,) = answer(GRAPH, [tap(n) for n in range(taken)], [{"key": "u", "t": t}])
    assert dict(engine.extract(GRAPH.id, at_ms=t).values) == dict(expected.values)
    assert [row.ts_ms - NOW for row in engine.log.rows_after(0)] == list(range(taken))


def refusal(path: Path, kind: type[LogError], call: Callable[[], object]) -> None:
    """Require that CALL is refused, in one line that names the log."""
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).startswith(f"{path}: expected ")
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- full


def full(folder: Path) -> None:
    """Fill the disk: what was taken stays, queries are answered, and with room it goes on."""
    for sync in ("full", "batch"):
        path, filler = folder / f"{sync}.db", folder / "filler"
        filler.write_bytes(bytes(1 << 20))
        engine = opened(path, sync=sync)
        taken = filled(engine)
        assert taken > 50, taken
        require(engine, taken)
        for _ in range(3):  # a call that was refused leaves nothing behind
            refusal(path, LogFullError, partial(engine.append, tap(taken)))
        engine.save()
        require(engine, taken)
        filler.unlink()
        engine.append(tap(taken))
        require(engine, taken + 1)
        engine.log.close()
        engine = opened(path, sync=sync)
        require(engine, taken + 1)
        assert engine.log.check() == []
        engine.log.close()
        path.unlink()


def filled(engine: Engine) -> int:
    """Append until the disk is full; return how many events were taken."""
    for number in count():
        try:
            engine.append(tap(number))
        except LogFullError:
            return number
        if number % 10 == 0:
            engine.extract(GRAPH.id, at_ms=NOW + number)
    raise AssertionError("expected a disk that is full")


# ---------------------------------------------------------------- read-only


def read_only(folder: Path) -> None:
    """Read a log where nothing may be written: one that was closed, and one whose writer was killed."""
    closed, killed = folder / "closed.db", folder / "killed.db"
    engine = opened(closed)
    engine.append_many(tap(n) for n in range(300))
    engine.extract(GRAPH.id, at_ms=NOW + 300)
    engine.log.close()
    if (pid := os.fork()) == 0:
        opened(killed).append_many(tap(n) for n in range(300))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    copied = folder / "copied.db"  # without the index of its write-ahead log
    for part in ("", "-wal"):
        shutil.copy(f"{killed}{part}", f"{copied}{part}")
    mount("-o", "remount,ro", folder)
    for path in (closed, killed, folder / "new.db"):
        refusal(path, LogReadOnlyError, partial(EventLog, path))
    # SQLite makes that index anew only where it may write.
    refusal(copied, LogError, partial(EventLog, copied, read_only=True))
    for path in (closed, killed):
        engine = opened(path, read_only=True)
        require(engine, 300)
        refusal(path, LogReadOnlyError, partial(engine.append, tap(300)))
        refusal(path, LogReadOnlyError, partial(engine.forget, before=NOW))
        assert engine.log.check() == []
        engine.log.close()


if __name__ == "__main__":
    main()
