"""The other end of `stream.backfill.pool`: a process that computes units until its pipe ends."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection

import pyarrow as pa

from featuregraph import FeatureGraphError
from stream.backfill.pool import DONE, FAILED, FAULT, FINISHED
from stream.backfill.work import Unit, Work, compute
from stream.errors import StreamError

_TOLD_S = 0.2  # between two words on how far it is


def main(descriptor: int) -> None:
    """Compute what comes through the pipe DESCRIPTOR."""
    # Ctrl-C reaches all processes of a terminal: who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pa.set_cpu_count(1)  # as many workers as there are cores: each has one
    with Connection(descriptor) as pipe, suppress(EOFError):  # who started this one has ended
        work: Work = pipe.recv()
        # It may be ended at any moment: what it leaves goes with the folder of the run.
        tempfile.tempdir = str(work.spilled.folder)
        while True:
            unit: Unit = pipe.recv()
            told = _Told(pipe)
            try:
                compute(work, unit, told.done)
            except (FeatureGraphError, StreamError, OSError) as error:
                pipe.send((FAILED, error))
            except Exception as error:  # noqa: BLE001 - it is raised on the other side
                pipe.send((FAULT, (f"{type(error).__name__}: {error}", traceback.format_exc())))
            else:
                told.flush()
                pipe.send((FINISHED, None))


class _Told:
    """Counts answered queries, and says so now and then."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._count, self._due = pipe, 0, time.monotonic() + _TOLD_S

    def done(self, n: int) -> None:
        self._count += n
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        self._pipe.send((DONE, self._count))
        self._count, self._due = 0, time.monotonic() + _TOLD_S


if __name__ == "__main__":
    main(int(sys.argv[1]))
