"""What every section measures with: the setting, the comparison of cells, and a run of one system."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.bench.equality import Compared, Equality
from headrace.bench.report import Record
from headrace.bench.setting import Setting
from headrace.bench.systems import KINDS, OURS
from headrace.bench.works import Key

KEY = "me"  # of the one user of every workload

if TYPE_CHECKING:
    from featuregraph.testing.workload import Workload
    from stream.bench.stage import Stage
    from stream.bench.system import Played, System


@dataclass(slots=True)
class Bench:
    """One run's measuring."""

    setting: Setting
    equality: Equality = field(default_factory=Equality)
    key: Key = field(default_factory=lambda: Key("none", "", 0))  # of the workload on the stage now

    def play(self, system: System, stage: Stage, requests: int, every_ms: int, **options: Any) -> Played:
        """Ask SYSTEM, close it, and return what it cost."""
        from stream.bench.system import play

        gc.collect()  # garbage of the system before is not this one's cost
        try:
            return play(system, stage.work, requests, every_ms, **options)
        finally:
            system.close()

    def compare(self, name: str, found: Played, expected: Played, *, means_close: bool = False) -> None:
        """Compare the answers to the requests that both answered."""
        rows = map(Compared, found.at_ms, found.values, expected.values)
        self.equality.compare(name, self.where, rows, means_close=means_close)

    def ask_reference(self, stage: Stage, served: Played, sample: int) -> None:
        """Compare SAMPLE of the answers SERVED, the first and the last among them, with the reference's."""
        from featuregraph.reference import answer

        last = len(served.at_ms) - 1
        chosen = sorted({place * last // max(sample - 1, 1) for place in range(sample)})
        end = served.at_ms[chosen[-1]]
        coming = itertools.takewhile(lambda event: event["ts_ms"] < end, stage.work.stream())
        events = [event | {"user_id": KEY} for event in itertools.chain(stage.work.history, coming)]
        queries = [{"key": KEY, "t": served.at_ms[place]} for place in chosen]
        found = answer(stage.work.graph, events, queries)
        rows = (
            Compared(served.at_ms[place], row.values, served.values[place])
            for place, row in zip(chosen, found, strict=True)
        )
        self.equality.compare("reference", self.where, rows)

    def mixed(self, stage: Stage) -> Workload:
        """Return the stage's workload, whose stream may come at any rate."""
        from featuregraph.testing.workload import Workload

        assert isinstance(stage.work, Workload), "expected a mixed workload on the stage"
        return stage.work

    @property
    def where(self) -> str:
        """Return the workload's name for a difference."""
        return f"{self.key.kind} {self.key.name}, seed {self.key.seed}".replace(" ,", ",")

    def record(self, system: str, played: Played, every_ms: int, **more: Any) -> Record:
        """Return what SYSTEM cost: medians over the requests, in processor time unless `wall`."""
        return {
            "work": self.key.name or self.key.kind,
            "seed": self.key.seed,
            "system": system,
            "every_ms": every_ms,
            "requests": len(played.timings),
            "cpu_ms": played.cpu_ms,
            "p95_ms": played.p95_cpu_ms,
            "wall_ms": played.wall_ms,
            "append_us": played.append_us,
            "cold_ms": played.cold_ms,
            "state_bytes": played.state_bytes,
            **more,
        }

    def side_by_side(
        self, stage: Stage, names: Iterable[str], every_ms: int, *, sample: int = 0
    ) -> Iterator[Record]:
        """Time the systems NAMES of KINDS on one workload, ours first; every cell is compared with ours.

        sample: how many of our answers are compared with the reference's.
        """
        ours: Played | None = None
        for name in [OURS, *(name for name in names if name != OURS)]:
            kind = KINDS[name]
            system = kind.make(stage)
            log_bytes = system.log_bytes
            played = self.play(system, stage, self.setting.share(kind.share), every_ms)
            if ours is None:
                ours = played
                self.equality.fill(played.values)
                if sample:
                    self.ask_reference(stage, played, sample)
            else:
                self.compare(name, played, ours, means_close=kind.means_close)
            yield self.record(name, played, every_ms, log_bytes=log_bytes)
