"""What a measurement is to the run: a row of data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.bench.bench import Bench
from headrace.bench.report import Record, Records, Table
from headrace.bench.setting import Setting
from headrace.bench.works import Key

if TYPE_CHECKING:
    from stream.bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement.

    Args:
        name: what `--only` calls it.
        keys: the workloads that it wants.
        measure: from a workload on its stage to records.
        tables: from all records to what is shown.
    """

    name: str
    keys: Callable[[Setting], Iterable[Key]]
    measure: Callable[[Stage, Bench], Iterator[Record]]
    tables: Callable[[Records, Setting], list[Table]]


def services(setting: Setting) -> list[Key]:
    """Return the five services, for each seed."""
    return [Key("service", name, seed) for seed in setting.seeds for name in setting.services]


def mixed(setting: Setting) -> list[Key]:
    """Return the mixed workload, for each seed."""
    return [Key("mixed", "", seed) for seed in setting.seeds]


def one_service(name: str) -> Callable[[Setting], list[Key]]:
    """Return the function from a setting to the service NAME, for each seed."""
    return lambda setting: [Key("service", name, seed) for seed in setting.seeds]
