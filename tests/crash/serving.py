"""A process that serves and records until it is killed, and says of each answer that it was given.

Arguments: PATH SYNC FIRST. The number of each request is written when its answer has returned.
"""

from __future__ import annotations

import os
import sys
from itertools import count

import featuregraph as fg
from stream import Engine, EventLog, Limits

KEPT = 40


def main() -> None:
    """Append an event or two and serve an answer, again and again; old records go meanwhile."""
    path, sync, first = sys.argv[1:]
    tap = fg.Event.of("tap", {"n": fg.int64()})
    rows = fg.rows(tap).over("1h")
    graph = fg.Graph("taps", {"taps": rows.count(), "ns": rows.sequence(5, {"n": tap["n"]})})
    log = EventLog(path, sync="full" if sync == "full" else "batch", limits=Limits(max_served=KEPT))
    engine = Engine(log, key="u")
    shown = engine.install(graph.compile())
    for number in count(int(first)):
        now = log.clock.now_ms()
        engine.append_many({"event": "tap", "ts_ms": now - i, "n": number} for i in range(1 + number % 2))
        engine.extract(shown, record=True, request_id=number)
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main()
