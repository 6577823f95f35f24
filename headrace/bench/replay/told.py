"""A report as lines and tables, for a terminal and a page alike."""

from __future__ import annotations

from headrace.bench import told
from headrace.bench.replay.figures import LOG, cost
from headrace.bench.replay.run import Report
from headrace.bench.replay.setting import DECLARED
from headrace.bench.replay.systems import OURS, SYSTEMS
from headrace.bench.report import Record, Table, those

FEATURES = (
    "20 features: count, sum, max, mean, distinct and last over three windows; the time since the last event;"
    " the 50 latest items (ours hashes them too)"
)
WHAT_COUNTS = (
    "times: process CPU, one thread, a process for each, from columns in memory to columns in memory; the"
    " scan and the workers from Parquet; the median of {rounds} rounds, slow systems once"
)
_SUMS = "sums of doubles that are rounded as they go, equal to 1e-9"
SAMPLED = "{name}: asked about one user in {share}, and its times multiplied by the share of the queries"


def facts(report: Report) -> list[str]:
    """Return where, with what and on what the figures were taken, a line each."""
    return [
        *told.about(report.machine),
        *(f"{name}: {what}" for name, what in report.logs.items()),
        FEATURES,
        WHAT_COUNTS.format(rounds=report.setting.rounds),
        *(SAMPLED.format(name=n, share=s.share) for n, s in SYSTEMS.items() if s.share > 1),
        f"seed: {report.setting.seed}",
        f"took: {report.seconds:,.0f} s",
    ]


def systems() -> Table:
    """Return who is timed."""
    rows: list[tuple[object, ...]] = [(name, system.what) for name, system in SYSTEMS.items()]
    return Table("Systems", ("system", "what it is"), rows, ("what it is",))


def costs(report: Report) -> list[Table]:
    """Return a table per log: seconds, rate, memory, and times ours."""
    return [_costs(report, log) for log in report.logs]


def _costs(report: Report, log: str) -> Table:
    ours = cost(report.records, log, OURS, "cpu_s")
    rows = [_row(record, ours) for record in those(report.records, log=log)]
    columns = ("system", "CPU s", "million events/s", "wall s", "peak MB", "CPU / ours")
    return Table(f"{log}: {report.logs[log]}", columns, rows, ("system",))


def _row(record: Record, ours: float | None) -> tuple[object, ...]:
    name = record["system"]
    if "failed" in record:
        return (f"{name}, failed: {record['failed']:.60}", *[None] * 5)
    cpu, wall = (cost([record], record["log"], name, value) or 0.0 for value in ("cpu_s", "wall_s"))
    rate = record["events"] / cpu / 1e6 if cpu else None
    return (name, cpu, rate, wall, record["peak_bytes"] / 1e6, cpu / ours if ours else None)


def equality(report: Report) -> Table:
    """Return how many cells were compared and equal."""
    return told.equality(report.equality, _SUMS)


def figures(report: Report) -> list[Table]:
    """Return the figures over the made log, judged if the run has the declared size."""
    unjudged = None
    if not report.setting.is_declared:
        unjudged = f"they are declared for {DECLARED.events:,} events; this run has {report.setting.events:,}"
    return told.judged(report.figures, unjudged, f", over the log {LOG!r}")
