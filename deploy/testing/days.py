"""Two days of a made fleet in a service's database: tasks, versions, releases of every state, reports by the thousand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import featuregraph as fg
from deploy import canonical
from deploy.cloud import kept, tokens
from deploy.cloud.database import Database
from deploy.cloud.registry import Registry
from deploy.cloud.roles import MAY, Role, Who
from deploy.cloud.rulesets import ended, halted, released
from deploy.cohort import Cohort, Condition
from deploy.rollout import Release
from deploy.task.manifest import GRAPH_FILE, MODEL_FILES, Manifest
from deploy.task.version import Commit, Version
from deploy.wire.report import Counts, Report
from inference.manifest import FileEntry

DAY_MS: Final = 86_400_000
EVIL: Final = "</td><script>document.title='bad'</script>'; DROP TABLE release; --"
BINS: Final = (4, 9, 18, 30, 22, 11, 5, 2)  # of a feature as trained


class View(fg.Event, name="view"):
    """Something was looked at."""

    item_id = fg.identifier()
    price = fg.decimal(2)


class Purchase(fg.Event, name="purchase"):
    """A line of an order."""

    item_id = fg.identifier()
    price = fg.decimal(2)


class Arm(NamedTuple):
    """How the devices of one release do."""

    release: str
    task: str
    since_h: float  # hours ago
    until_h: float
    devices: int
    failing: float = 0.001  # of runs
    slow: float = 1.0  # latency against the usual
    clicks: float = 0.11  # of runs
    drift: float = 0.0  # of the values, by one bin
    error: str = ""


ARMS: Final = (
    Arm("october", "retail-rank", 46, 0, 2_400),
    Arm("november", "retail-rank", 20, 0, 260, clicks=0.124),
    Arm("november.control", "retail-rank", 20, 0, 1_040),
    Arm("november-fast", "retail-rank", 33, 29, 140, failing=0.061, slow=1.9, drift=0.4, error="model: expected 24 inputs, found 23"),
    Arm("feed-2", "home-feed", 30, 0, 700, failing=0.0004, slow=0.7, clicks=0.31),
    Arm("feed-1", "home-feed", 46, 30, 700, slow=0.8, clicks=0.29),
)


def graphs() -> list[fg.Graph]:
    """Return the graphs of the versions of retail-rank, the oldest first."""
    views, buys = fg.rows(View), fg.rows(Purchase)
    first = {
        "views_7d": views.over("7d").count(),
        "buys_30d": buys.over("30d").count(),
        "spend_30d": buys.over("30d").sum(Purchase.price),
        "last_price": views.over("7d").last(View.price),
    }
    second = {**first, "buys_30d": buys.over("14d").count(), "views_1h": views.over("1h").count()}
    third = {**second, "ticket": second["spend_30d"] / second["buys_30d"]}
    del third["last_price"]
    return [fg.Graph("rank", features) for features in (first, first, second, third)]


MESSAGES: Final = (
    "The ranker of September",
    "Trained on October",
    "Baskets of two weeks, and what was seen within the hour\n\nA month of purchases told more of gifts than of taste.",
    "The mean ticket takes the place of the last price",
)


class Days:
    """The story, told into one database."""

    def __init__(self, folder: Path, database: Database, now_ms: int) -> None:
        self._folder, self._database, self.now_ms = folder, database, now_ms
        self._at_ms = now_ms
        self.registry = Registry(database, lambda: self._at_ms)
        self.secrets: dict[Role, str] = {}
        self.who: dict[Role, Who] = {}
        self._rng = Random(7)

    def tell(self) -> None:
        """Write all of it."""
        names = {"publisher": "ann", "releaser": "bob", "viewer": "eve", "device": "the app"}
        for role in MAY:
            self.who[role], self.secrets[role] = tokens.add(self._database, role, names[role], self._ago(48))
        bundles = list(self._publish())
        self._release(bundles)
        for arm in ARMS:
            self._report(arm)

    def _ago(self, hours: float) -> int:
        return self.now_ms - int(hours * DAY_MS / 24)

    # ------------------------------------------------------------ what was published

    def _publish(self) -> Iterator[Manifest]:
        parent = None
        for place, (graph, message) in enumerate(zip(graphs(), MESSAGES, strict=True)):
            self._at_ms = self._ago(47.5 - 5 * place)
            files = {"model/model.onnx": b"weights %d" % place, **({"data/words.txt": b"tea"} if place > 1 else {})}
            manifest = self._bundle("retail-rank", graph, files)
            commit = Commit(canonical.digest(message.encode())[:40], "tasks/rank")
            version = Version(
                "retail-rank", manifest.id, graph.id, "Ann Author", message, self._at_ms, parent, commit
            )
            self.registry.commit(self.who["publisher"], version)
            parent = version.id
            yield manifest
        for place, graph in enumerate(graphs()[1:3]):
            self._at_ms = self._ago(47 - 14 * place)
            yield self._bundle("home-feed", graph, {"data/feed.txt": b"%d" % place})
        self._at_ms = self._ago(3)
        yield self._bundle("search-suggest", graphs()[0], {}, f"Suggest {EVIL}")

    def _bundle(self, task: str, graph: fg.Graph, files: Mapping[str, bytes], description: str = "") -> Manifest:
        contents = {**dict.fromkeys(sorted(MODEL_FILES), b"made"), **files, GRAPH_FILE: graph.to_json().encode()}
        entries = {name: self._blob(content) for name, content in contents.items()}
        manifest = Manifest(task, graph.id, "b" * 64, entries, description=description)
        self.registry.publish(self.who["publisher"], manifest)
        return manifest

    def _blob(self, content: bytes) -> FileEntry:
        sha256 = canonical.digest(content)
        path = self._folder / "blobs" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return FileEntry(len(content), sha256)

    # ------------------------------------------------------------ what was released

    def _release(self, bundles: list[Manifest]) -> None:
        ios = (Condition("os", "in", ("ios", "android")), Condition("app", "version_at_least", ("9.1",)))
        for hours, name, place, millionths, priority in (
            (46, "october", 1, 1_000_000, 0),
            (46, "feed-1", 4, 1_000_000, 0),
            (33, "november-fast", 2, 20_000, 2),
            (30, "feed-2", 5, 250_000, 2),
            (20, "november.control", 1, 50_000, 3),
            (20, "november", 3, 1_000, 4),
            (11, "november", 3, 10_000, 4),
        ):
            cohort = Cohort(name.split(".")[0], millionths, ios, frozenset({"ann"}) if priority == 4 else frozenset())
            manifest = bundles[place]
            release = Release(manifest.task, manifest.id, manifest.graph_id, cohort, priority)
            self._change(hours, "release.put", name, lambda r, n=name, e=release: released(r, n, e))
            if name == "november-fast":
                self._change(29, "release.halt", name, lambda r: halted(r, "november-fast"))
        self._change(29.5, "release.end", "feed-1", lambda r: ended(r, "feed-1"))

    def _change(self, hours: float, action: str, what: str, edit: Any) -> None:
        self._at_ms = self._ago(hours)
        self.registry.change(self.who["releaser"], action, what, edit)

    # ------------------------------------------------------------ what devices told

    def _report(self, arm: Arm) -> None:
        known, length = {arm.release}, arm.since_h - arm.until_h
        entries = sorted(self._rng.random() ** 1.7 * min(length, 14) for _ in range(arm.devices))
        looks = [n / 4 for n in range(round(4 * length) + 1)]
        for begin, end in pairwise(looks):
            fresh = [entry for entry in entries if begin <= entry < end]
            alive = sum(entry < begin for entry in entries)
            at_ms = self._ago(arm.since_h - end) - 1
            reports = [*self._active(arm, len(fresh), at_ms), *self._alive(arm, alive, at_ms)]
            kept.keep(self._database, reports, known, at_ms)

    def _active(self, arm: Arm, fresh: int, at_ms: int) -> Iterator[Report]:
        for _ in range(fresh):
            yield self._told(arm, "active", at_ms)
            if arm.error and self._rng.random() < 0.2:
                yield self._told(arm, "failed", at_ms, arm.error)

    def _alive(self, arm: Arm, devices: int, at_ms: int) -> Iterator[Report]:
        """Yield one report for every twenty devices: enough for charts."""
        hour = (at_ms // 3_600_000) % 24
        busy = 0.6 + 0.4 * (hour in range(7, 23))
        for _ in range(-(-devices // 20)):
            runs = round(self._rng.uniform(120, 200) * busy)
            latency = [0] * 64
            for _ in range(runs):
                latency[min(63, max(0, round(self._rng.gauss(46 + 4 * (arm.slow - 1), 2.6))))] += 1
            counts = Counts(
                runs,
                sum(self._rng.random() < arm.failing for _ in range(runs)),
                int(self._rng.random() < arm.failing),
                tuple(latency),
                {"shown": 10 * runs, "clicked": sum(self._rng.random() < arm.clicks for _ in range(runs))},
                {name: self._bins(runs, arm.drift * (place + 1)) for place, name in enumerate(("buys_30d", "spend_30d", "views_7d"))},
            )
            yield self._told(arm, "alive", at_ms, counts=counts)

    def _bins(self, runs: int, drift: float) -> tuple[int, ...]:
        found = [0] * (len(BINS) + 2)
        for place in self._rng.choices(range(len(BINS)), BINS, k=runs):
            found[place + (self._rng.random() < drift)] += 1
        return tuple(found)

    def _told(self, arm: Arm, state: Any, at_ms: int, error: str = "", counts: Counts = Counts()) -> Report:  # noqa: B008
        name = f"{self._rng.getrandbits(128):032x}"
        return Report(name, f"phone-{name[:12]}", arm.task, arm.release, state, at_ms, error, counts)
