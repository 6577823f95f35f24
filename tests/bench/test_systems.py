"""What the engine is compared with computes the same features: else its speed would mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from featuregraph.testing.workload import ServiceWork, redundancy, service
from stream.bench.alone import Alone
from stream.bench.autofeature import AutoFeature
from stream.bench.deques import Deques
from stream.bench.policy import greedy, shuffled
from stream.bench.queries import Covering, FeatureStore
from stream.bench.stage import Stage
from stream.bench.storage import DecodedLog, JsonLog, used
from stream.bench.system import Played, System, play
from stream.engine import MODES

pytestmark = pytest.mark.device

REQUESTS = 12
ATTRIBUTES = [f"attribute_{number:03}" for number in range(160)]
# Long and short, so that windows empty and fill, and columns are trimmed and grow.
INTERVALS = (10_000, 1_800_000, 43_200_000)


def _json(work: ServiceWork, path: Path, budget: int, policy: object = greedy) -> AutoFeature:
    return AutoFeature(work.features, JsonLog(path, used(work.features)), budget, policy)  # type: ignore[arg-type]


SYSTEMS: dict[str, Callable[[ServiceWork, Path], System]] = {
    "alone": lambda work, path: Alone(work.features, JsonLog(path, used(work.features))),
    "fused": lambda work, path: _json(work, path, 0),
    "cached": lambda work, path: _json(work, path, 1 << 30),
    "tight": lambda work, path: _json(work, path, 20_000),
    "random": lambda work, path: _json(work, path, 20_000, shuffled(1)),
    "decoded log": lambda work, path: AutoFeature(
        work.features, DecodedLog(path, used(work.features), ATTRIBUTES), 0
    ),
    "deques": lambda work, path: Deques(work.features),
    "covering": lambda work, path: Covering(work.features, path),
    "feature store": lambda work, path: FeatureStore(work.features, path),
}


@pytest.fixture(scope="module", params=["SR", "VR"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return a service with a short history, ready."""
    work = service(request.param, 4, user="average", events=900)
    return Stage(work, tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def expected(stage: Stage) -> dict[int, Played]:
    """Return the engine's answers, by interval."""
    found = {}
    for every_ms in INTERVALS:
        engine = stage.engine()
        found[every_ms] = play(engine, stage.work, REQUESTS, every_ms)
        engine.close()
    return found


def equal(found: Played, expected: Played) -> None:
    """Require equal cells; a mean of doubles summed one by one to 1e-12."""
    assert len(found.values) == len(expected.values) == REQUESTS
    for ours, theirs in zip(found.values, expected.values, strict=True):
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            if "_mean_" in name and value is not None:
                assert ours[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
            else:
                assert ours[name] == value, name


@pytest.mark.parametrize("every_ms", INTERVALS)
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_gives_the_engines_values(
    name: str, every_ms: int, stage: Stage, expected: dict[int, Played], tmp_path: Path
) -> None:
    """Each baseline gives the values of the engine at each request."""
    work = stage.work
    assert isinstance(work, ServiceWork)
    system = SYSTEMS[name](work, tmp_path / "x.db")
    system.append(work.history)
    equal(play(system, work, REQUESTS, every_ms), expected[every_ms])
    system.close()


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_them(mode: str, stage: Stage, expected: dict[int, Played]) -> None:
    """The engine's modes give the same, each over its own copy of the log."""
    system = stage.engine(mode)  # type: ignore[arg-type]
    equal(play(system, stage.work, REQUESTS, INTERVALS[1]), expected[INTERVALS[1]])
    system.close()


def test_windows_may_end_before_the_request(tmp_path: Path) -> None:
    """The redundancy sweep's windows end at an offset; AutoFeature's columns have them too."""
    work = redundancy(0.5, events=900)
    engine = Stage(work, tmp_path).engine()
    expected = play(engine, work, REQUESTS, 600_000)
    engine.close()
    for name in ("alone", "fused", "cached", "tight"):
        system = SYSTEMS[name](work, tmp_path / f"{name}.db")
        system.append(work.history)
        equal(play(system, work, REQUESTS, 600_000), expected)
        system.close()


@pytest.mark.parametrize("policy", [greedy, shuffled(3)])
def test_a_budget_is_obeyed_at_once(policy: object, stage: Stage, tmp_path: Path) -> None:
    """However the budget changes between requests, the next one leaves no more than it allows."""
    work = stage.work
    assert isinstance(work, ServiceWork)
    system = _json(work, tmp_path / "x.db", 1 << 30, policy)
    system.append(work.history)
    held = []

    def before(number: int) -> None:
        held.append((system.budget, system.state_bytes))
        system.budget = (1 << 30, 30_000, 5_000, 0, 60_000)[number % 5]

    play(system, work, 20, 60_000, before=before)
    assert all(bytes_ <= budget for budget, bytes_ in held)
    assert {budget for budget, bytes_ in held if bytes_} >= {1 << 30, 30_000, 60_000}
    system.close()


def test_decoded_and_precomputed_logs_hold_what_they_must(stage: Stage, tmp_path: Path) -> None:
    """A feature store has a row per event and feature; a decoded log one per event."""
    work = stage.work
    assert isinstance(work, ServiceWork)
    store = FeatureStore(work.features, tmp_path / "s.db")
    store.append(work.history)
    (rows,) = store._connection.execute("SELECT count(*) FROM value").fetchone()
    takers = {event: sum(event in f.events for f in work.features) for event in stage_events(work)}
    assert rows == sum(takers.get(event["event"], 0) for event in work.history)
    assert store.log_bytes > 0
    store.close()


def stage_events(work: ServiceWork) -> set[str]:
    """Return the events that the features of WORK use."""
    return {event for feature in work.features for event in feature.events}
