"""Two days of a made fleet in a service's database: tasks, versions, gates, reports by the thousand.

`python -m deploy.testing.days FOLDER` makes a service of it, to be run and looked at, and prints its tokens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

import featuregraph as fg
from deploy import canonical
from deploy.cloud import kept, serve, tokens
from deploy.cloud.database import Database
from deploy.cloud.gates import Gates, views
from deploy.cloud.looks import Gate
from deploy.cloud.registry import Registry
from deploy.cloud.roles import MAY, Role, Who
from deploy.cloud.rulesets import released
from deploy.cloud.staged import CONTROL, Wanted
from deploy.cohort import Cohort
from deploy.gate.stage import size
from deploy.rollout import Release, Ruleset
from deploy.task.manifest import GRAPH_FILE, MODEL_FILES, Manifest
from deploy.task.version import Commit, Version
from deploy.testing.cast import BINS, EVIL, FEATURES, FLEET, FOR, MESSAGES, POLICY, SPREAD, WAYS, Way, graphs
from deploy.wire.report import Counts, Report
from inference.manifest import FileEntry

DAY_MS: Final = 86_400_000


class Days:
    """The story, told into one database."""

    def __init__(
        self, folder: Path, database: Database, now_ms: int, step_h: float = 0.25, told: int = 20
    ) -> None:
        self._folder, self._database, self.now_ms, self._step_h = folder, database, now_ms, step_h
        self._at_ms = now_ms
        self.registry = Registry(database, lambda: self._at_ms)
        self.secrets: dict[Role, str] = {}
        self.who: dict[Role, Who] = {}
        self._of = told
        self.gates = Gates(database, self.registry)
        self._rng = Random(7)
        self._devices: dict[str, list[str]] = {}
        self._bundles: list[Manifest] = []

    def tell(self) -> None:
        """Write all of it."""
        names = {"publisher": "ann", "releaser": "bob", "viewer": "eve", "device": "the app"}
        for role in MAY:
            self.who[role], self.secrets[role] = tokens.add(self._database, role, names[role], self._ago(48))
        self._live()

    def _ago(self, hours: float) -> int:
        return self.now_ms - int(hours * DAY_MS / 24)

    # ------------------------------------------------------------ what was published

    def _commit(self, place: int) -> None:
        """Publish a version of retail-rank."""
        graph, message = graphs()[place], MESSAGES[place]
        files = {
            "model/model.onnx": b"weights %d" % place,
            **({"data/words.txt": b"tea"} if place > 1 else {}),
        }
        manifest = self._bundle("retail-rank", graph, files, "Ranks what a basket lacks")
        head = self.registry.head("retail-rank")
        commit = Commit(canonical.digest(message.encode())[:40], "tasks/rank")
        parent = None if head is None else head.id
        version = Version(
            "retail-rank", manifest.id, graph.id, "Ann Author", message, self._at_ms, parent, commit
        )
        self.registry.commit(self.who["publisher"], version)

    def _bundle(
        self, task: str, graph: fg.Graph, files: Mapping[str, bytes], description: str = ""
    ) -> Manifest:
        contents = {
            **dict.fromkeys(sorted(MODEL_FILES), b"made"),
            **files,
            GRAPH_FILE: graph.to_json().encode(),
        }
        entries = {name: self._blob(content) for name, content in contents.items()}
        manifest = Manifest(task, graph.id, "b" * 64, entries, description=description)
        self.registry.publish(self.who["publisher"], manifest)
        self._bundles.append(manifest)
        return manifest

    def _blob(self, content: bytes) -> FileEntry:
        sha256 = canonical.digest(content)
        path = self._folder / "blobs" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return FileEntry(len(content), sha256)

    # ------------------------------------------------------------ what happened, hour by hour

    def _deeds(self) -> Iterator[tuple[float, Callable[[], object]]]:
        """Yield what was done and how many hours ago, the oldest first; bundles by their order."""
        yield 47.8, partial(self._commit, 0)
        yield 47.5, partial(self._commit, 1)
        yield 47.2, partial(self._bundle, "home-feed", graphs()[1], {})
        yield 46.5, partial(self._bundle, "search-suggest", graphs()[0], {}, f"Suggest {EVIL}")
        yield 46, partial(self._release, "october", 1, 1_000_000)
        yield 46, partial(self._release, "feed-1", 2, 1_000_000)
        yield 36, partial(self._commit, 2)
        yield 34, partial(self._bundle, "home-feed", graphs()[2], {})
        yield 33, partial(self._begin, "november-fast", 4)
        yield 30, partial(self._release, "feed-2", 5, 250_000, 2)
        yield 22, partial(self._commit, 3)
        yield 20, partial(self._begin, "november", 6)
        yield 5, partial(self._release, "feed-2", 5, 400_000, 2)

    def _release(self, name: str, place: int, millionths: int, priority: int = 0) -> None:
        manifest = self._bundles[place]
        release = Release(
            manifest.task, manifest.id, manifest.graph_id, Cohort(name, millionths, FOR), priority
        )
        self.registry.change(
            self.who["releaser"], "release.put", name, partial(released, name=name, release=release)
        )

    def _begin(self, name: str, place: int) -> None:
        manifest = self._bundles[place]
        cohort = Cohort(name, 1, FOR, allow=frozenset({"ann", "bob"}))
        release = Release(manifest.task, manifest.id, manifest.graph_id, cohort)
        wanted, seen = Wanted(release, POLICY), self.registry.version()
        self.gates.begin(self.who["releaser"], name, wanted, seen, FLEET, self._at_ms)

    def _live(self) -> None:
        """Let the hours pass: deeds, what devices tell, and looks of the gates."""
        deeds, steps = list(self._deeds()), round(46 / self._step_h)
        for hours in (self._step_h * (steps - n) for n in range(steps + 1)):
            while deeds and deeds[0][0] >= hours:
                ago, deed = deeds.pop(0)
                self._at_ms = self._ago(ago)
                deed()
            self._at_ms = self._ago(hours) - 1
            led = {gate.release: gate for gate in self.gates.running()}
            rules = self.registry.ruleset()
            reports = [r for way in WAYS if self._runs(way, hours, rules) for r in self._reports(way, led)]
            kept.keep(
                self._database, reports, {way.release for way in WAYS}, self._at_ms, views(led.values(), {})
            )
            for gate in led.values():
                self.gates.look(gate, self._at_ms, {})

    def _runs(self, way: Way, hours: float, rules: Ruleset) -> bool:
        release = rules.releases.get(way.release)
        return hours <= way.begins_h and release is not None and not release.halted

    # ------------------------------------------------------------ what devices told

    def _reports(self, way: Way, led: Mapping[str, Gate]) -> Iterator[Report]:
        """Yield what one step adds: a part of those that lack enter, and some tell their counts."""
        devices = self._devices.setdefault(way.release, [])
        gate = led.get(way.release.removesuffix(CONTROL))
        wanted = way.devices if gate is None else size(POLICY, gate.stand.stage, FLEET)
        arms = POLICY.control if way.release.endswith(CONTROL) and gate is not None else 1
        alive = self._rng.sample(devices, -(-len(devices) // self._of))
        for _ in range(round((wanted * arms - len(devices)) * min(1, 0.3 * self._step_h / 0.25))):
            devices.append(f"phone-{self._rng.getrandbits(48):012x}")
            yield self._told(way, devices[-1], "active")
            if way.error and self._rng.random() < 0.2:
                yield self._told(way, devices[-1], "failed", way.error)
        for device in alive:
            yield self._told(way, device, "alive", counts=self._counts(way))

    def _counts(self, way: Way) -> Counts:
        busy = 0.6 + 0.4 * ((self._at_ms // 3_600_000) % 24 in range(7, 23))
        runs = round(self._rng.uniform(120, 200) * busy)
        latency = [0] * 64
        for place in self._rng.choices(range(32, 50), SPREAD, k=runs):
            latency[place + round(2 * (way.slow - 1))] += 1
        failures = sum(self._rng.random() < way.failing for _ in range(runs))
        clicked = round(runs * way.clicks * self._rng.uniform(0.8, 1.2))
        shown = round(runs * self._rng.uniform(8, 12))
        drift = {name: self._bins(runs, way.drift * (place + 1)) for place, name in enumerate(FEATURES)}
        return Counts(runs, failures, 0, tuple(latency), {"clicked": clicked, "shown": shown}, drift)

    def _bins(self, runs: int, drift: float) -> tuple[int, ...]:
        found = [0] * (len(BINS) + 1)
        for place in self._rng.choices(range(len(BINS)), BINS, k=runs):
            found[place + (self._rng.random() < drift)] += 1
        return tuple(found)

    def _told(
        self,
        way: Way,
        device: str,
        state: Any,
        error: str = "",
        counts: Counts = Counts(),  # noqa: B008
    ) -> Report:
        name = f"{self._rng.getrandbits(128):032x}"
        return Report(name, device, way.task, way.release, state, self._at_ms, error, counts)


def main(folder: Path) -> None:
    """Make FOLDER a service in which two days were told, up to now."""
    serve.init(folder)
    database = serve.opened(folder)
    try:
        days = Days(folder, database, time.time_ns() // 1_000_000)
        days.tell()
    finally:
        database.close()
    for role, secret in days.secrets.items():
        sys.stdout.write(f"{role} {secret}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
