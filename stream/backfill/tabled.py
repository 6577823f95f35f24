"""The values of a graph as rows of a table: what a device maps, and replay looks up as of a time.

events -> the keys that have some, each from its first one on -> queries at the times asked for -> replay
       -> a row per key and time; of a table that changes, only where a value did

The row of a time T holds what was known then, and a look-up finds it behind T (SEMANTICS 10.2): a table that
changes shows nobody the future. One without times is what is known at one moment, for those that ask later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featuregraph import Plan, Table
from featuregraph.tables import TableSchema
from featuregraph.types import INT64_MIN
from featuregraph.windows import parse_duration
from stream.backfill.executors import executor
from stream.backfill.job import Options, Progress, run
from stream.backfill.part import Executor
from stream.entries import Entries
from stream.errors import BackfillError
from stream.tablefile import write_entries

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = (".parquet", ".pq")
SEPARATOR = "\x1f"  # of the columns of a key in one text, as fg.cross has it
MOST_TIMES = 100_000


@dataclass(frozen=True, slots=True)
class When:
    """The moments whose values a table has.

    Args:
        at: ms; nothing: right behind the last event.
        every: and each so often from the first event to the last, at multiples since 1970; None: never.
        changing: whether the rows have times though there is one moment only.
    """

    at: Sequence[int] = ()
    every: str | None = None
    changing: bool = False

    @property
    def changes(self) -> bool:
        """Tell whether the rows have times."""
        return self.changing or self.every is not None or len(self.at) > 1

    def times(self, first: int, last: int) -> list[int]:
        """Return the moments for events from FIRST to LAST, ascending."""
        found = set(self.at)
        if self.every is not None:
            step = parse_duration(self.every, "every")
            if (last - first) // step > MOST_TIMES:
                raise BackfillError(
                    f"every: expected at most {MOST_TIMES:,} moments, found {(last - first) // step:,};"
                    " take them less often"
                )
            found |= set(range(first - first % step + step, last + 1, step))
        return sorted(found) if found or self.every else [last + 1]


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a table.

    Args:
        table: its name; plan: the id of the graph; changing: whether rows have times.
        version: of the device's file; None: it is Parquet.
        keys: how many there are; rows: of them together; times: at how many moments was asked.
        events: that the source has.
    """

    table: str
    plan: str
    changing: bool
    version: str | None
    keys: int
    rows: int
    times: int
    events: int


def build_table(  # noqa: PLR0913 - what is built, and the options of replay
    plan: Plan,
    events: Any,
    out: str | Path,
    *,
    at: int | Sequence[int] = (),
    every: str | None = None,
    changing: bool = False,
    name: str | None = None,
    tables: Mapping[str, Any] | None = None,
    workers: int = 1,
    memory: str | int | None = None,
    engine: str = "local",
) -> Built:
    """Write the values of PLAN for each key that has events to the table OUT, whole or not at all.

    Args:
        plan: of a graph whose features are single values; see `fg.Table.of_graph`.
        events: as `stream.replay` takes them.
        out: a file for devices (`Engine(tables=...)`, `use_table`, also `--table` of replay); .parquet: rows.
        at: the moment, or several (ms); nothing: right behind the last event.
        every: moments at each multiple of it, such as "1d".
        changing: rows have their moment as ts_ms, also where there is one only.
        name: of the table; None: the graph's.
        tables, workers, memory, engine: as in `stream.replay`.

    Raises:
        CompileError: a feature is no single value of a key.
        FeatureGraphError, StreamError: an event, table or file is refused, or a value overflows.
    """
    when = When((at,) if isinstance(at, int) else tuple(at), every, changing)
    options = Options.of(tables, workers=workers, memory=memory)
    return build(plan, events, Path(out), when, executor(engine, "auto"), options, name=name)


def build(
    plan: Plan,
    events: Any,
    out: Path,
    when: When,
    by: Executor,
    options: Options,
    *,
    name: str | None = None,
    progress: Progress = lambda what, n, total: None,
) -> Built:
    """Write the table of PLAN over EVENTS to OUT; BY computes."""
    schema = Table.of_graph(plan.graph, changing=when.changes, name=name).table
    by.check(plan)
    if out.is_dir() or not out.parent.is_dir():
        found = "a folder" if out.is_dir() else f"no folder {out.parent}"
        raise BackfillError(f"{out}: expected a file to write, found {found}; choose another path")
    from stream.backfill.instants import asked
    from stream.backfill.intake import lasting

    events = lasting(events)  # read twice: for the keys, and for their values
    queries, times = asked(plan.graph, events, when, progress)
    answers, report = run([plan], events, queries, by, options=options, progress=progress)
    assert answers is not None
    entries = entries_of(schema, plan.graph.key_columns, answers)
    version = None
    if out.suffix.lower() in PARQUET:
        from stream.backfill.output import write

        write(rows_of(entries), out)
    else:
        version = write_entries(out, entries)
    return Built(
        schema.name,
        plan.id,
        schema.changing,
        version,
        len(entries.by_key),
        entries.count,
        times,
        report.events,
    )


def entries_of(schema: TableSchema, key: Sequence[str], answers: pa.Table) -> Entries:
    """Return ANSWERS, in the order of time, as entries of SCHEMA; a row that says nothing new is left out."""
    from featuregraph.arrays.column import listed
    from stream.backfill.columnar.arrow import column_of

    columns = [answers.column(name).to_pylist() for name in key]
    keys = columns[0] if len(columns) == 1 else list(map(SEPARATOR.join, zip(*columns, strict=True)))
    since = answers.column("ts_ms").to_pylist() if schema.changing else [INT64_MIN] * len(keys)
    place = {
        name: number for number, name in enumerate(answers.column_names)
    }  # a feature stands behind a key
    values = [listed(column_of(answers.column(place[name]), type)[0]) for name, type in schema.fields]
    found = Entries(schema)
    for who, time, *fields in zip(keys, since, *values, strict=True):
        mine = found.by_key.setdefault(who, [])
        row = tuple(fields)
        if not mine or mine[-1][1] != row:
            mine.append((time, row))
    return found


def rows_of(entries: Entries) -> pa.Table:
    """Return ENTRIES as a table: key, ts_ms if it changes, and the fields in their types."""
    import pyarrow as pa

    from featuregraph.arrow import arrow_type
    from featuregraph.convert import to_public

    schema = entries.schema
    rows = [(key, *entry) for key, mine in entries.by_key.items() for entry in mine]
    columns = {"key": pa.array([key for key, _, _ in rows], arrow_type(schema.key))}
    if schema.changing:
        columns["ts_ms"] = pa.array([since for _, since, _ in rows], pa.int64())
    for place, (name, type) in enumerate(schema.fields):
        public = to_public(type)
        columns[name] = pa.array([public(fields[place]) for _, _, fields in rows], arrow_type(type))
    return pa.table(columns)
