"""The workloads that figures are measured on have the properties that they are declared with."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections import Counter
from itertools import islice, pairwise, takewhile
from random import Random

import pytest

from featuregraph.testing.workload import (
    HOURS,
    SERVICES,
    TYPES,
    USERS,
    ServiceWork,
    redundancy,
    service,
    vocabulary,
)
from featuregraph.testing.workload.day import DAY, HOUR, begin, times
from featuregraph.testing.workload.feature import FUNCTIONS

pytestmark = pytest.mark.device

SEEDS = (1, 2, 3)
EACH = [(name, seed) for name in SERVICES for seed in SEEDS]


def _payload(event: dict[str, object]) -> int:
    return len(json.dumps(event["attrs"], separators=(",", ":")))


@pytest.mark.parametrize(("name", "seed"), EACH)
def test_a_service_has_its_published_size(name: str, seed: int) -> None:
    """As many features and types as published; the share with an event set of others is the nearest."""
    work = service(name, seed)
    sizes = Counter(feature.events for feature in work.features)
    shared = sum(count for count in sizes.values() if count > 1)
    assert len(work.features) == work.service.features
    assert len({event for feature in work.features for event in feature.events}) == work.service.types
    assert abs(shared / len(work.features) - work.service.same_events) <= 0.5 / len(work.features)
    assert max(map(len, sizes)) <= 3
    assert statistics.mean(len(feature.events) == 1 for feature in work.features) > 0.7


def test_the_published_sizes() -> None:
    """Features, types and shares are those of the paper's table."""
    table = {s.name: (s.features, s.types, s.same_events) for s in SERVICES.values()}
    assert table == {
        "CP": (86, 27, 0.802),
        "KP": (53, 22, 0.85),
        "SR": (40, 10, 0.59),
        "PR": (103, 21, 0.806),
        "VR": (134, 24, 0.71),
    }


@pytest.mark.parametrize("name", SERVICES)
def test_windows_and_functions_are_drawn_alike(name: str) -> None:
    """Over ten seeds each window and each function gets its share, within four standard deviations."""
    features = [feature for seed in range(10) for feature in service(name, seed).features]
    for found, kinds in (
        (Counter(f.window for f in features), SERVICES[name].windows),
        (Counter(f.function for f in features), tuple(FUNCTIONS)),
    ):
        share = 1 / len(kinds)
        spread = (len(features) * share * (1 - share)) ** 0.5
        assert set(found) == set(kinds)
        assert all(abs(found[kind] - len(features) * share) < 4 * spread for kind in kinds)


@pytest.mark.parametrize("seed", SEEDS)
def test_attributes_are_lognormal(seed: int) -> None:
    """A type has 4 to 160 attributes, half of the types more than about 25, a quarter more than about 85."""
    app = vocabulary(seed)
    counts = sorted(type_.attributes for type_ in app)
    assert len(app) == TYPES == len({type_.name for type_ in app})
    assert (counts[0], counts[-1]) == (4, 160)
    assert 17 <= statistics.median(counts) <= 36
    assert 60 <= counts[TYPES * 3 // 4] <= 115


def test_types_follow_zipf() -> None:
    """Type r comes in proportion to 1 / r."""
    app = vocabulary(1)
    assert sum(type_.share for type_ in app) == pytest.approx(1)
    assert app[0].share == pytest.approx(10 * app[9].share)
    counts = Counter(event["event"] for event in service("VR").history)
    for type_ in app[:5]:
        assert counts[type_.name] == pytest.approx(20_000 * type_.share, rel=0.1)


def test_payloads_are_as_large_as_observed() -> None:
    """A type's payload is 1.05 to 1.6 KB of JSON on average over the app."""
    rng = Random(1)
    sizes = [_payload(type_.event(rng, 0)) for seed in range(8) for type_ in vocabulary(seed)]
    assert 1050 <= statistics.mean(sizes) <= 1600


@pytest.mark.parametrize(("user", "per_day"), USERS.items())
def test_a_user_has_a_rate(user: str, per_day: int) -> None:
    """Over 40 days the number of events is that of the rate, within four standard deviations of Poisson."""
    count = sum(1 for _ in takewhile(lambda t: t < 40 * DAY, times(Random(user), 0, per_day)))
    assert abs(count - 40 * per_day) < 4 * (40 * per_day) ** 0.5


def test_a_day_has_its_rhythm() -> None:
    """Each hour gets its share of events, within four standard deviations of Poisson."""
    assert sum(HOURS) == 1000
    found = Counter(t // HOUR % 24 for t in islice(times(Random(7), 0, 1260), 100_000))
    for hour, share in enumerate(HOURS):
        assert abs(found[hour] - 100 * share) < 4 * (100 * share) ** 0.5 + 30


def test_a_history_ends_where_the_stream_begins() -> None:
    """A history has as many events as asked for, in order; the stream goes on from the start."""
    work = service("SR", 2, user="average", events=500, period="noon")
    at = [event["ts_ms"] for event in work.history]
    coming = [event["ts_ms"] for event in islice(work.stream(), 200)]
    assert len(at) == 500
    assert at == sorted(at)
    assert at[-1] < work.start_ms == begin("noon") <= coming[0]
    assert coming == sorted(coming)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_redundancy_is_the_share_in_common(share: float) -> None:
    """The windows of two features next to each other on a type have SHARE of their range in common."""
    features = redundancy(share).features
    assert len(features) == 40
    for left, right in pairwise(features[:10]):
        ahead = max(0, left.window_ms - (right.offset_ms - left.offset_ms))
        assert ahead / left.window_ms == pytest.approx(share, abs=1e-6)


def test_a_seed_is_the_same_on_any_machine() -> None:
    """One digest over features and events stands for every machine: a change of it changes all figures."""
    digest = hashlib.sha256()
    for work in (service("VR", 3, events=300), redundancy(0.5, 3, events=100)):
        digest.update(work.graph.to_json().encode())
        for event in [*work.history, *islice(work.stream(), 50)]:
            digest.update(json.dumps(event).encode())
    assert digest.hexdigest() == "643b1716c00b6ed9ec46d3ecb9acc078f2da46949f61447a8d588c904f0d1ea9"


def test_seeds_differ() -> None:
    """Another seed is another user of another app."""
    first, second = (service("KP", seed, events=50) for seed in (1, 2))
    assert first.graph.id != second.graph.id
    assert first.history != second.history


def test_a_graph_says_what_its_features_say() -> None:
    """Each feature of a service stands in its graph under its name."""
    work: ServiceWork = service("PR")
    assert sorted(work.graph.features) == sorted(feature.name for feature in work.features)
