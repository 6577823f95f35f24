"""What a run found: records of numbers, and tables and figures made of them by pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from headrace.bench.equality import Equality
from headrace.bench.setting import Setting
from headrace.machine import Machine

Record = Mapping[str, Any]  # one measurement: what was measured, and the numbers
Records = Sequence[Record]


class Table(NamedTuple):
    """Cells under columns, in whatever form they are shown."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    prose: tuple[str, ...] = ()  # columns whose cells may be folded


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to reach at the declared size: the median of VALUES must be at least, or at most, MUST."""

    name: str
    must: float
    aim: float | None
    unit: str
    at_least: bool
    values: tuple[float, ...]

    @property
    def found(self) -> float:
        """Return the median."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        """Tell whether the must is reached."""
        return self._reaches(self.must)

    @property
    def aim_reached(self) -> bool:
        """Tell whether the aim is reached too."""
        return self.aim is not None and self._reaches(self.aim)

    def _reaches(self, bound: float) -> bool:
        return self.found >= bound if self.at_least else self.found <= bound


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    machine: Machine
    setting: Setting
    records: Mapping[str, Records]  # by section
    equality: Equality
    figures: tuple[Figure, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return all of it for machines."""
        judged = self.setting.is_declared
        return {
            "machine": asdict(self.machine),
            "setting": asdict(self.setting) | {"is_declared": judged},
            "records": {name: list(map(dict, records)) for name, records in self.records.items()},
            "equality": asdict(self.equality) | {"holds": self.equality.holds},
            "figures": [
                asdict(f)
                | {
                    "found": f.found,
                    "reached": f.reached if judged else None,
                    "aim_reached": f.aim_reached if judged and f.aim is not None else None,
                }
                for f in self.figures
            ],
            "seconds": self.seconds,
        }


# ---------------------------------------------------------------- of records


def those(records: Iterable[Record], **having: object) -> Iterator[Record]:
    """Yield the RECORDS with these values."""
    return (record for record in records if all(record[name] == value for name, value in having.items()))


def median(records: Iterable[Record], value: str, **having: object) -> float | None:
    """Return the median VALUE of the RECORDS with these values, None if there are none or it is unknown."""
    found = [record[value] for record in those(records, **having) if record[value] is not None]
    return float(statistics.median(found)) if found else None


def values(records: Iterable[Record], name: str) -> list[Any]:
    """Return the different values of NAME in RECORDS, in the order in which they come."""
    return list(dict.fromkeys(record[name] for record in records))


def ratios(
    records: Records,
    value: str,
    by: Sequence[str],
    over: Collection[str],
    under: str,
) -> dict[tuple[Any, ...], float]:
    """Return the smallest VALUE of the systems OVER divided by that of UNDER, by what is alike in BY.

    Ratios are taken inside a run over one workload: across workloads and runs they tell nothing.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in by), []).append(record)
    found = {}
    for key, group in groups.items():
        tops = [record[value] for record in group if record["system"] in over]
        bottoms = [record[value] for record in group if record["system"] == under]
        if tops and bottoms:
            found[key] = min(tops) / min(bottoms)
    return found


def pivot(
    title: str, records: Records, rows: str, columns: str, value: str, *, head: str = "", scale: float = 1
) -> Table:
    """Return the medians of VALUE over the seeds: a row per value of ROWS, a column per one of COLUMNS."""
    across = values(records, columns)
    told: list[tuple[object, ...]] = []
    for row in values(records, rows):
        cells = [median(records, value, **{rows: row, columns: column}) for column in across]
        told.append((row, *(None if cell is None else cell * scale for cell in cells)))
    return Table(title, (head or rows, *map(str, across)), told)
