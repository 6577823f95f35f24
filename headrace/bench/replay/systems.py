"""Who is timed: ours, the limit, and each rival in the ways that were the fastest we found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OURS, WIDE, SCAN = "ours", "ours, 104 features", "Parquet scan"
ONE, TWO = "ours, one process", "ours, two workers"
POSITIONS, JOIN_WHERE, ROLLING = "polars, by positions", "polars, join_where", "polars, rolling"
DUCKDB, PANDAS, NAIVE = "duckdb", "pandas, rolling", "naive Python"


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    Args:
        target: module in stream.bench.replay and function, from a folder and a share to what is timed.
        what: what it is, in a line.
        share: one user in so many is asked about; 1: all.
        is_fast: timed in all rounds, not once.
        gives: whether its answers are features that are compared.
        is_wall: wall time counts: it is timed for how it uses two cores.
        loses: kinds of features that it has no words for.
    """

    target: str
    what: str
    share: int = 1
    is_fast: bool = False
    gives: bool = True
    is_wall: bool = False
    loses: tuple[str, ...] = ()


SYSTEMS: Mapping[str, System] = {
    OURS: System("ours:columns", "stream.replay from table to table", is_fast=True),
    WIDE: System("ours:wide", "the same, 104 features", is_fast=True, gives=False),
    ONE: System("ours:one_process", "from Parquet to Parquet", is_fast=True, gives=False, is_wall=True),
    TWO: System("ours:two_workers", "the same with workers=2", is_fast=True, gives=False, is_wall=True),
    SCAN: System("scan:scan", "pyarrow reads the columns, one thread", is_fast=True, gives=False),
    POSITIONS: System(
        "in_polars:by_positions",
        "window edges found by hand: search_sorted, prefix sums, batches",
        is_fast=True,
    ),
    JOIN_WHERE: System("in_polars:by_join", "join_where, streaming engine, and a group_by", is_fast=True),
    ROLLING: System("in_polars:by_rolling", "rolling by user, once per window"),
    DUCKDB: System("in_duckdb:join", "one statement: join by spans of time, ASOF join, list slices"),
    PANDAS: System(
        "in_pandas:rolling",
        "groupby.rolling and merge_asof; not distinct, not the latest items",
        loses=("distinct", "items"),
    ),
    NAIVE: System(
        "in_python:naive", "per query and feature, over lists by user; one user in 50, extrapolated", share=50
    ),
}
EXTRA = ("polars", "duckdb", "pandas")  # packages of the extra bench
