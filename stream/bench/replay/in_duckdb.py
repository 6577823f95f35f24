"""DuckDB: events joined to the queries of their user, grouped by query.

Pairs of (user, span of time) in the join make it look at two spans of a user's events, not at all. Grouping
by query and item first, so that distinct values are plain counts, was faster over a million events, no faster
over ten, and took two and a half times the memory; range windows over events and queries together took three
to four times as long. Lists are slices of one per user.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream.bench.replay.task import ITEMS, SEQUENCE, SINCE, Task, given, read_task


def join(folder: Path, share: int) -> Callable[[], Any]:
    """Return a call from tables of a database in memory to a table in memory."""
    import duckdb

    task = read_task(folder)
    events, queries = given(folder, share)
    con = duckdb.connect(config={"threads": 1})
    con.register("given_e", events)
    con.register("given_q", queries)
    con.execute("CREATE TABLE e AS SELECT user_id, ts_ms, item_id, price, quantity FROM given_e")
    con.execute("CREATE TABLE q AS SELECT n, user_id, ts_ms AS t FROM given_q")
    con.unregister("given_e")
    con.unregister("given_q")
    del events, queries
    return lambda: con.sql(statement(task)).to_arrow_table()


def statement(task: Task) -> str:
    """Return the one statement that gives all features, a row a query, by n."""
    span = task.windows[task.widest]
    values, told = [], []
    for window, ms in task.windows.items():
        rows = "" if window == task.widest else f" FILTER (ts_ms >= t - {ms})"
        values += [
            f"count(*){rows} AS count_{window}", f"sum(price){rows} AS sum_{window}",
            f"max(price){rows} AS max_{window}", f"count(DISTINCT item_id){rows} AS distinct_{window}",
            f"avg(quantity){rows} AS mean_{window}",
        ]  # fmt: skip
        told += [
            f"coalesce(count_{window}, 0) AS count_{window}",
            f"coalesce(sum_{window}, 0) AS sum_{window}", f"max_{window}",
            f"coalesce(distinct_{window}, 0) AS distinct_{window}", f"mean_{window}",
            f"CASE WHEN count_{window} > 0 THEN items[b.len] END AS last_{window}",
        ]  # fmt: skip
    return f"""
        WITH by_user AS (SELECT user_id, list(item_id ORDER BY ts_ms, rowid) AS items
            FROM e GROUP BY user_id),
        moments AS (SELECT user_id, ts_ms,
            sum(count(*)) OVER (PARTITION BY user_id ORDER BY ts_ms)::INT AS len
            FROM e GROUP BY user_id, ts_ms),
        b AS (SELECT n, q.user_id, t - m.ts_ms AS {SINCE}, m.len
            FROM q ASOF LEFT JOIN moments m ON q.user_id = m.user_id AND q.t > m.ts_ms),
        asked AS (SELECT n, user_id, t, t // {span} AS span FROM q
            UNION ALL SELECT n, user_id, t, t // {span} - 1 FROM q),
        spans AS (SELECT *, ts_ms // {span} AS span FROM e),
        w AS (SELECT n, {", ".join(values)} FROM asked JOIN spans USING (user_id, span)
            WHERE ts_ms < t AND ts_ms >= t - {span} GROUP BY n)
        SELECT b.n, {", ".join(told)}, {SINCE},
            coalesce(items[greatest(b.len - {SEQUENCE - 1}, 1):b.len], []) AS {ITEMS}
        FROM b LEFT JOIN w USING (n) LEFT JOIN by_user USING (user_id) ORDER BY b.n"""  # noqa: S608 - of this file
