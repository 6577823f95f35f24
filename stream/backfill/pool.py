"""Worker processes over the parts of a run.

A worker is a fresh interpreter (`python -m stream.backfill.worker`) and no copy of this one: no main module
of the user is run again, no lock or thread is inherited. It is sent the work, then a unit at a time, and says
how many queries it has answered, that it has finished, or why it failed. It ends when its pipe does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import cast

from stream.backfill.work import Done, Unit, Work
from stream.errors import BackfillError

DONE, FINISHED, FAILED, FAULT = "done", "finished", "failed", "fault"
_ENDING_S = 5.0  # that a worker is given to end by itself


class WorkerFaultError(RuntimeError):
    """Say that a worker met an error that nobody foresaw; the traceback is its note."""


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    stderr: Path


def run(work: Work, units: Sequence[Unit], workers: int, done: Done) -> None:
    """Compute UNITS by so many WORKERS; the first failure ends them all."""
    waiting = list(reversed(units))
    with ExitStack() as stack:
        busy: dict[Connection, _Worker] = {}
        for number in range(workers):
            worker = stack.enter_context(_started(work.spilled.folder / f"worker-{number}.err"))
            busy[worker.pipe] = worker
            _send(worker, work)
            _send(worker, waiting.pop())
        while busy:
            for ready in wait(list(busy)):
                worker = busy[cast("Connection", ready)]
                if _heard(worker, done):
                    if waiting:
                        _send(worker, waiting.pop())
                    else:
                        del busy[worker.pipe]


@contextmanager
def _started(stderr: Path) -> Iterator[_Worker]:
    if not sys.executable:
        raise BackfillError("expected an interpreter to start workers with, found none; use one worker")
    ours, theirs = Pipe()
    with ours, stderr.open("wb") as said:
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "stream.backfill.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        try:
            yield _Worker(process, ours, stderr)
        finally:
            ours.close()
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _send(worker: _Worker, what: object) -> None:
    try:
        worker.pipe.send(what)
    except OSError as error:
        raise _died(worker) from error


def _heard(worker: _Worker, done: Done) -> bool:
    """Take what WORKER says; tell whether it has finished its unit. Raise what it failed with."""
    try:
        what, content = worker.pipe.recv()
    except (EOFError, OSError) as error:
        raise _died(worker) from error
    if what == DONE:
        done(content)
    elif what == FAILED:
        raise content
    elif what == FAULT:
        line, trace = content
        fault = WorkerFaultError(f"in a worker: {line}")
        fault.add_note(trace)
        raise fault
    return bool(what == FINISHED)


def _died(worker: _Worker) -> BackfillError:
    """Return what is known of a WORKER that ended without a word."""
    code = worker.process.wait()
    if code < 0:
        found = f"one ended by {signal.Signals(-code).name}"
        step = "if the system ran out of memory, give --memory less or fewer workers, and run it again"
    else:
        lines = worker.stderr.read_text(errors="replace").strip().splitlines()
        found = f"one ended with code {code}{f': {lines[-1]}' if lines else ''}"
        step = "run it with one worker to see more"
    return BackfillError(f"expected workers to finish, found {found}; {step}")
