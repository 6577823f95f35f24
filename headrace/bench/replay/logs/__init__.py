"""The logs that replay is measured on, a file each; with who answers over it."""

from __future__ import annotations

from headrace.bench.replay.logs.jd import jd
from headrace.bench.replay.logs.log import Log
from headrace.bench.replay.logs.made import made
from headrace.bench.replay.logs.shop import shop
from headrace.bench.replay.systems import (
    DUCKDB,
    JOIN_WHERE,
    NAIVE,
    ONE,
    OURS,
    PANDAS,
    POSITIONS,
    ROLLING,
    SCAN,
    SYSTEMS,
    TWO,
    WIDE,
    System,
)

_SHARED = (OURS, SCAN, POSITIONS, JOIN_WHERE, DUCKDB, PANDAS, NAIVE)
_OF_JD = {
    OURS: System("jd:ours", "stream.replay, three plans at once", is_fast=True),
    DUCKDB: System("jd:in_duckdb", "one statement", is_fast=True),
}
LOGS: dict[str, Log] = {
    log.name: log
    for log in (
        Log("made", made, {name: SYSTEMS[name] for name in (*_SHARED, ROLLING, WIDE, ONE, TWO)}),
        Log("shop", shop, {name: SYSTEMS[name] for name in _SHARED}),
        Log("jd", jd, _OF_JD, is_internal=True, is_task=False),
    )
}
