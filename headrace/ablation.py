"""One workload through every engine mode, in one run: what each costs, and that all give the same cells.

1. Per seed, every mode gets the same history and the same requests; slow modes answer the first ones only.
2. The cells of each mode are compared with those of incremental, a sample of these with the reference's.
3. Ratios are taken inside a seed; what is told is the median over the seeds, with the range.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.machine import Machine, look

if TYPE_CHECKING:
    from featuregraph import FeatureVector
    from featuregraph.testing.workload import Workload
    from stream.bench import Measured
    from stream.engine import Mode

# How many requests share one that the mode answers: naive takes some hundred times as long as incremental.
SHARES: dict[Mode, int] = {"naive": 8, "fused": 4, "cached": 1, "incremental": 1}
SAMPLE = 3  # requests per seed that the reference answers: it takes seconds for each
IMPORTS = 5  # fresh interpreters
UNWANTED = ("pyarrow", "networkx", "faust")
_TOLD = 5  # differences that are told one by one


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured."""

    requests: int = 200
    events: int = 20_000
    features: int = 100
    days: int = 7
    seeds: tuple[int, ...] = (1, 2, 3)

    @property
    def is_declared(self) -> bool:
        """Tell whether this is the size that the figures are declared for: that of the defaults."""
        declared = Setting()
        return (self.events, self.features, self.days) == (declared.events, declared.features, declared.days)

    def requests_of(self, mode: Mode) -> int:
        """Return how many of the requests MODE answers."""
        return max(1, self.requests // SHARES[mode])

    @property
    def steps(self) -> int:
        """Return how many times `measure` says that it went on."""
        return len(self.seeds) * (sum(map(self.requests_of, SHARES)) + SAMPLE) + IMPORTS


@dataclass(frozen=True, slots=True)
class Cost:
    """What one mode cost with one seed: medians over the requests, in processor time unless `wall`."""

    mode: Mode
    seed: int
    requests: int
    cpu_ms: float
    cpu_p95_ms: float
    wall_ms: float
    append_us: float  # the new events of one request
    cold_ms: float  # the first request after the history
    state_bytes: int
    log_bytes: int


@dataclass(slots=True)
class Equality:
    """How many cells were compared, by what they were compared with."""

    cells: dict[str, int] = field(default_factory=dict)
    unequal: dict[str, int] = field(default_factory=dict)
    filled: int = 0  # cells of incremental that are not null, zero or empty
    differences: list[str] = field(default_factory=list)  # the first few, one line each

    @property
    def holds(self) -> bool:
        """Tell whether cells were compared and all are equal."""
        return bool(self.cells) and not any(self.unequal.values())


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure to reach at the declared size: the median of VALUES must be at least, or at most, MUST."""

    name: str
    must: float
    unit: str
    at_least: bool
    values: tuple[float, ...]

    @property
    def found(self) -> float:
        """Return the median."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        """Tell whether the figure is reached."""
        return self.found >= self.must if self.at_least else self.found <= self.must


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    machine: Machine
    setting: Setting
    costs: tuple[Cost, ...]
    equality: Equality
    figures: tuple[Figure, ...]
    loaded: tuple[str, ...]  # of UNWANTED, by importing featuregraph and stream

    def of(self, mode: Mode) -> list[Cost]:
        """Return the costs of MODE, by seed."""
        return [cost for cost in self.costs if cost.mode == mode]

    def ratios(self, mode: Mode) -> list[float]:
        """Return how many times the processor time of MODE naive takes, by seed."""
        return [a.cpu_ms / b.cpu_ms for a, b in zip(self.of("naive"), self.of(mode), strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Return all of it for machines."""
        told = asdict(self)
        told["setting"]["requests_by_mode"] = {mode: self.setting.requests_of(mode) for mode in SHARES}
        told["equality"]["holds"] = self.equality.holds
        told["ratios"] = {mode: self.ratios(mode) for mode in SHARES}
        judged = self.setting.is_declared
        told["setting"]["is_declared"] = judged
        told["figures"] = [
            asdict(f) | {"found": f.found, "reached": f.reached if judged else None} for f in self.figures
        ]
        return told


def run(setting: Setting, done: Callable[[int], None] = lambda n: None) -> Report:
    """Measure SETTING; DONE hears of each step of `Setting.steps`."""
    machine = look()
    costs: list[Cost] = []
    equality = Equality()
    for seed in setting.seeds:
        costs += _seed(setting, seed, equality, done)
    imports = [_import(done) for _ in range(IMPORTS)]
    loaded = tuple(sorted({name for _, _, names in imports for name in names}))
    report = Report(machine, setting, tuple(costs), equality, (), loaded)
    return Report(machine, setting, tuple(costs), equality, _figures(report, imports), loaded)


def _seed(setting: Setting, seed: int, equality: Equality, done: Callable[[int], None]) -> list[Cost]:
    from featuregraph.testing.workload import Shape, workload
    from stream.bench import measure

    shape = Shape(features=setting.features, events=setting.events, days=setting.days)
    work = workload(seed, shape)
    measured: dict[Mode, Measured] = {}
    for mode in SHARES:
        measured[mode] = measure(work, mode, setting.requests_of(mode), progress=lambda: done(1))
    best = measured["incremental"].vectors
    equality.filled += sum(_is_filled(value) for vector in best for value in vector.values.values())
    for mode in [mode for mode in SHARES if mode != "incremental"]:
        _compare(equality, mode, seed, measured[mode].vectors, best)
    sample = sorted({0, len(best) // 2, len(best) - 1})
    _compare(
        equality, "reference", seed, _reference(work, [best[i] for i in sample]), [best[i] for i in sample]
    )
    done(SAMPLE)
    return [
        Cost(
            mode=mode,
            seed=seed,
            requests=len(found.timings),
            cpu_ms=found.cpu_ms,
            cpu_p95_ms=found.p95_cpu_ms,
            wall_ms=found.wall_ms,
            append_us=found.append_us,
            cold_ms=found.cold_ms,
            state_bytes=found.state_bytes,
            log_bytes=found.log_bytes,
        )
        for mode, found in measured.items()
    ]


def _reference(work: Workload, asked: Sequence[FeatureVector]) -> list[Any]:
    """Return the reference's answers to the queries that ASKED answers, over the same events."""
    from featuregraph.reference import answer

    end = max(vector.at_ms for vector in asked)
    coming = itertools.takewhile(lambda event: event["ts_ms"] < end, work.stream())
    events = [event | {work.graph.key: "me"} for event in itertools.chain(work.history, coming)]
    return answer(work.graph, events, [{"key": "me", "t": vector.at_ms} for vector in asked])


def _compare(
    equality: Equality, name: str, seed: int, found: Sequence[Any], expected: Sequence[FeatureVector]
) -> None:
    """Compare the cells of FOUND with those EXPECTED of the same requests."""
    from featuregraph.values import same

    cells = unequal = 0
    for left, right in zip(found, expected, strict=False):
        for feature in sorted(left.values.keys() | right.values.keys()):
            cells += 1
            if same(left.values.get(feature), right.values.get(feature)):
                continue
            unequal += 1
            if len(equality.differences) < _TOLD:
                equality.differences.append(
                    f"seed {seed}, t {right.at_ms}, {feature}: {name} gives {left.values.get(feature)!r:.80},"
                    f" incremental {right.values.get(feature)!r:.80}"
                )
    equality.cells[name] = equality.cells.get(name, 0) + cells
    equality.unequal[name] = equality.unequal.get(name, 0) + unequal


def _is_filled(value: object) -> bool:
    return any(map(_is_filled, value.values())) if isinstance(value, dict) else bool(value)


_PROBE = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import featuregraph, stream
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([wall, cpu, [name for name in {unwanted} if name in sys.modules]]))
"""


def _import(done: Callable[[int], None]) -> tuple[float, float, list[str]]:
    """Import the device's packages in a fresh interpreter; return wall s, processor s, and UNWANTED ones."""
    args = [sys.executable, "-c", _PROBE.format(unwanted=UNWANTED)]
    told = subprocess.run(args, check=True, capture_output=True, text=True)  # noqa: S603 - our own interpreter
    wall, cpu, names = json.loads(told.stdout)
    done(1)
    return float(wall), float(cpu), list(names)


def _figures(report: Report, imports: Iterable[tuple[float, float, list[str]]]) -> tuple[Figure, ...]:
    return tuple(_rows(report, list(imports)))


def _rows(report: Report, imports: Sequence[tuple[float, float, list[str]]]) -> Iterator[Figure]:
    """Give the figures of the device engine, in the order in which they are told."""
    best = report.of("incremental")
    yield Figure("fused over naive, same decoder", 2.5, "x", True, tuple(report.ratios("fused")))
    yield Figure("incremental over naive", 300, "x", True, tuple(report.ratios("incremental")))
    yield Figure("extraction, median, processor", 0.5, "ms", False, tuple(c.cpu_ms for c in best))
    yield Figure("extraction, median, wall", 0.5, "ms", False, tuple(c.wall_ms for c in best))
    yield Figure("import featuregraph, stream, processor", 0.25, "s", False, tuple(i[1] for i in imports))
    yield Figure("import featuregraph, stream, wall", 0.25, "s", False, tuple(i[0] for i in imports))
    name = f"of {', '.join(UNWANTED)} loaded"
    yield Figure(name, 0, "", False, (float(len(report.loaded)),))
