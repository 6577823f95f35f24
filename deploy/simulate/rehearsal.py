"""A release before its first device: its bundle runs on recorded events, in the host that devices have.

A recording is JSON Lines, in the order of time: events as a log takes them, and calls

    {"ask": {"key": ..., "at_ms": N, "request": {...}, "candidates": {...}}}

of which a model that needs no request and no candidates needs none: it is asked after the last event of each
key. The bundle runs in a process of its own, so that one that crashes, hangs or eats memory ends that alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from deploy.bundle.bundle import Bundle
from deploy.bundle.proof import graph_of
from deploy.bundle.store import Store
from deploy.cloud.rehearsed import Rehearsed
from deploy.device.ports import Placed
from deploy.errors import DeployError, ServiceError
from deploy.gate.totals import Totals
from deploy.host import Host
from deploy.task.manifest import Manifest
from deploy.wire.assignment import Assigned
from featuregraph.errors import FeatureGraphError
from featuregraph.graph import Graph
from featuregraph.shown import bounded
from stream import Engine, EventLog

RUN_S: Final = 45.0  # within the patience of whoever releases
MAX_ASKS: Final = 10_000
_BEST: Final = 10  # candidates of a ranking


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """One call of an app."""

    at_ms: Annotated[int, Meta(ge=0, le=1 << 53)]
    key: str | int | None = None
    request: dict[str, Any] = {}
    candidates: dict[str, list[Any]] = {}


class _Line(Struct, frozen=True):
    ask: Ask | None = None


class Known:
    """A clock that stands where the recording is."""

    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        """Return the time, ms UTC."""
        return self.ms


def rehearse(folder: Path, manifest: Manifest, recording: str, within_s: float = RUN_S) -> Rehearsed:
    """Return what became of the bundle of MANIFEST, whose blobs are in FOLDER, on RECORDING.

    Raises:
        ServiceError: it failed, ended its process, or took longer than WITHIN_S.
    """
    given = msgspec.json.encode([str(folder), manifest.to_json().decode(), recording])
    argv = [sys.executable, "-m", "deploy.simulate.rehearsal"]
    try:
        done = subprocess.run(argv, input=given, capture_output=True, timeout=within_s, check=False)  # noqa: S603 - this very module
    except subprocess.TimeoutExpired as error:
        raise ServiceError(
            f"rehearsal: expected an end within {within_s:g} s, found none; record less, or mend the bundle",
            422,
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        found = f"it ended by {done.returncode}: {said}" if said else f"it ended by {done.returncode}"
        raise ServiceError(bounded(f"rehearsal: expected answers, found that {found}; mend the bundle"), 422)
    result = msgspec.json.decode(done.stdout, type=Rehearsed)
    if result.error:
        raise ServiceError(bounded(f"rehearsal: {result.error}; mend the bundle or the recording"), 422)
    return result


def played(bundle: Bundle, recording: str, folder: Path) -> Rehearsed:
    """Return what became of BUNDLE on RECORDING, with a device's log in FOLDER; errors are told."""
    try:
        graph = graph_of(bundle)
        lines = list(_lines(recording, graph))
        key = graph.key if isinstance(graph.key, str) else None  # one of several columns is told by the host
        clock, path = Known(), folder / "events.db"
        with EventLog(path, key=key, clock=clock, max_future=None, history_start_ms="all") as log:
            host = Host(engine := Engine(log))
            task = bundle.manifest.task
            placed = Placed(task, Assigned("rehearsal", bundle.id, bundle.manifest.graph_id), bundle)
            host.prove(placed)
            host.run(task, placed)
            return _play(host, engine, task, lines, clock)
    except (DeployError, FeatureGraphError, OSError) as error:
        return Rehearsed(error=str(error))


def _play(
    host: Host, engine: Engine, task: str, lines: list[dict[str, Any] | Ask], clock: Known
) -> Rehearsed:
    asks, first = 0, ""
    for line in lines:
        if not isinstance(line, Ask):
            clock.ms = max(clock.ms, int(line["ts_ms"]))
            engine.append(line)
            continue
        clock.ms, asks = max(clock.ms, line.at_ms), asks + 1
        try:
            _ask(host, task, line)
        except Exception as met:  # noqa: BLE001 - whatever an app would meet
            first = first or f"{type(met).__name__}: {met}"
    counts = host.take(task)
    if not asks:
        return Rehearsed(len(lines), error="expected calls, found events alone; add lines with ask")
    error = f"expected {asks} answers, found {counts.failures} failures, first: {first}" if first else ""
    p99 = Totals(latency=list(counts.latency)).latency_us(990)
    return Rehearsed(len(lines) - asks, asks, p99 or 0, bounded(error))


def _ask(host: Host, task: str, ask: Ask) -> None:
    words: dict[str, Any] = {"key": ask.key, "at_ms": ask.at_ms, "request": ask.request or None}
    if ask.candidates:
        host.rank(task, ask.candidates, _BEST, **words)
    else:
        host.infer(task, **words)


def _lines(recording: str, graph: Graph) -> Iterator[dict[str, Any] | Ask]:
    """Yield events and calls; where there are none of these, one after the last event of each key."""
    last: dict[Any, int] = {}
    asks = 0
    for number, line in enumerate(recording.splitlines(), 1):
        if not line.strip():
            continue
        try:
            ask = msgspec.json.decode(line, type=_Line).ask
            event = msgspec.json.decode(line, type=dict[str, Any]) if ask is None else {}
            if ask is None:
                last[event.get(str(graph.key))] = int(event["ts_ms"])
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
            raise ServiceError(
                f"line {number} of the recording: expected an event or a call, found: {error}"
            ) from error
        asks += ask is not None
        if asks > MAX_ASKS:
            raise ServiceError(f"recording: expected at most {MAX_ASKS} calls, found more; record less")
        yield event if ask is None else ask
    if not asks and not graph.candidates and not graph.requests:
        yield from (Ask(at_ms + 1, key) for key, at_ms in list(last.items())[:MAX_ASKS])


def main() -> None:
    """Play what comes on the standard input; say on the standard output what became of it."""
    folder, manifest, recording = msgspec.json.decode(sys.stdin.buffer.read(), type=tuple[str, str, str])
    bundle = Bundle(Manifest.from_json(manifest.encode()), Store(Path(folder)))
    with tempfile.TemporaryDirectory(prefix="headrace-rehearsal-") as room:
        found = played(bundle, recording, Path(room))
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
