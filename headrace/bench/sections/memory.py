"""What less memory costs, and that a budget is obeyed from one request to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table, median, values
from headrace.bench.section import Section, one_service
from headrace.bench.setting import SECOND, Setting
from headrace.bench.systems import OURS, columns, full_bytes

if TYPE_CHECKING:
    from stream.bench.stage import Stage
    from stream.bench.system import System

EVERY_MS = 10 * SECOND
GREEDY, RANDOM = "NumPy columns, greedy", "NumPy columns, random"
SHRINKING = (100, 50, 10)  # % of everything, a third of the requests each
_SHARE = 8


def _makers(stage: Stage) -> dict[str, tuple[int, Callable[[int], Any]]]:
    """Return by system what everything takes, and how it is made with a budget."""
    from stream.bench.policy import shuffled

    ours = stage.engine()
    ours.extract(stage.work.start_ms)
    all_of_ours = ours.state_bytes
    ours.close()
    full = full_bytes(stage)
    # A little more than everything at the start: what comes while requests are answered must fit as well.
    return {
        OURS: (all_of_ours * 5 // 4, lambda budget: stage.engine("auto", budget)),
        GREEDY: (full * 5 // 4, lambda budget: columns(stage, budget)),
        RANDOM: (full * 5 // 4, lambda budget: columns(stage, budget, shuffled(1))),
    }


def measure(stage: Stage, bench: Bench) -> Iterator[Record]:
    """Time each system with each share of the bytes that it takes for everything, then with a falling one."""
    expected = bench.play(stage.engine(), stage, bench.setting.share(_SHARE), EVERY_MS)
    for name, (everything, make) in _makers(stage).items():
        close = name != OURS
        for percent in bench.setting.budgets:
            budget = everything * percent // 100
            system: System = make(budget)
            played = bench.play(system, stage, bench.setting.share(_SHARE), EVERY_MS)
            bench.compare(name, played, expected, means_close=close)
            yield bench.record(name, played, EVERY_MS, percent=percent, budget=budget, over=0)
        system = make(everything)
        over: list[int] = []
        played = bench.play(
            system,
            stage,
            bench.setting.share(_SHARE),
            EVERY_MS,
            before=_shrink(system, everything, bench, over),
        )
        bench.compare(name, played, expected, means_close=close)
        yield bench.record(name, played, EVERY_MS, percent=None, budget=everything, over=max(over, default=0))


def _shrink(system: Any, everything: int, bench: Bench, over: list[int]) -> Callable[[int], None]:
    """Return what lowers the budget of SYSTEM as requests go on, and notes by how much it was exceeded."""
    requests = bench.setting.share(_SHARE)
    held = {"budget": everything}

    def before(number: int) -> None:
        over.append(system.state_bytes - held["budget"])
        percent = SHRINKING[(number - 1) * len(SHRINKING) // requests]
        held["budget"] = everything * percent // 100
        if hasattr(system, "engine"):
            system.engine.memory_budget = held["budget"]
        else:
            system.budget = held["budget"]

    return before


def tables(records: Records, setting: Setting) -> list[Table]:
    """Return times and bytes by share of everything, and how a falling budget was obeyed."""
    fixed = [record for record in records if record["percent"] is not None]
    falling = [record for record in records if record["percent"] is None]
    rows: list[tuple[object, ...]] = []
    for system in values(records, "system"):
        for what, value, scale in (("CPU ms", "cpu_ms", 1.0), ("KiB held", "state_bytes", 1 / 1024)):
            cells = [
                (median(fixed, value, system=system, percent=percent) or 0.0) * scale
                for percent in values(fixed, "percent")
            ]
            rows.append((system, what, *cells))
    obeyed: list[tuple[object, ...]] = [
        (
            system,
            max(record["over"] for record in falling if record["system"] == system) <= 0,
            median(falling, "cpu_ms", system=system),
            median(falling, "p95_ms", system=system),
        )
        for system in values(falling, "system")
    ]
    shown = ", ".join(f"{percent} %" for percent in SHRINKING)
    return [
        Table(
            "VR by budget, in % of what everything takes",
            ("system", "", *(f"{percent} %" for percent in values(fixed, "percent"))),
            rows,
        ),
        Table(
            f"VR while the budget falls to {shown}: is it obeyed at each request?",
            ("system", "obeyed", "CPU ms", "p95 ms"),
            obeyed,
        ),
    ]


SECTION = Section("memory", one_service("VR"), measure, tables)
