"""Bins of features: cut from training, counted on a device, told to a gate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.bundle.pack import pack
from deploy.bundle.proof import bins_of, graph_of
from deploy.bundle.trained import trained
from deploy.cli.bins import bins as command
from deploy.device.drift import Watched
from deploy.device.ports import Placed
from deploy.errors import BundleError, DeployError, TaskError
from deploy.host import Host
from deploy.task.bins import Bins, Cut, cut, differences, numbers, shared
from deploy.wire.assignment import Assigned
from featuregraph.vector import FeatureVector
from stream import Engine, EventLog

pytestmark = pytest.mark.device
NAN = float("nan")


@given(st.lists(st.floats(width=32) | st.sampled_from([0.0, 1.0, NAN]), max_size=60))
def test_a_device_counts_training_as_training_was_cut(values: list[float]) -> None:
    """Whatever the values, the bins rise, and placing each gives the counts that were told."""
    found = cut(np.array(values, dtype=np.float64))
    counts = [0] * len(found.counts)
    for value in values:
        counts[found.place(value)] += 1
    assert tuple(counts) == found.counts
    assert Bins.from_json(Bins({"a": found}).to_json()).features == {"a": found}


def test_bins_hold_about_as_many() -> None:
    """A thousand different values are cut into ten bins of a hundred, and one for those that miss."""
    assert cut(np.arange(1_000.0)).counts == (*[100] * 10, 0)
    assert cut(np.array([5.0] * 9 + [NAN])).counts == (0, 9, 1)
    assert cut(np.array([])).counts == (0, 0)


def test_two_bundles_share_the_bins_of_equal_edges() -> None:
    """Counts by other edges are of other bins, however many there are."""
    one = Bins({"a": Cut((1.0,), (1, 2, 3)), "b": Cut((1.0,), (4, 5, 6)), "c": Cut((), (1, 1))})
    other = Bins({"a": Cut((1.0,), (7, 8, 9)), "b": Cut((2.0,), (4, 5, 6))})
    assert shared(one, other) == {"a": (1, 2, 3)}
    assert shared(one, None) == shared(None, one) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"features":{"a":{"counts":[1,2,3],"edges":[2.0,1.0]}},"format":1}',
        b'{"features":{"a":{"counts":[1],"edges":[1.0]}},"format":1}',
        b'{"features":{"a":{"counts":[1,2,-3],"edges":[1.0]}},"format":1}',
        b'{"features":{"a":{"counts":[1,2,3],"edges":[1e999]}},"format":1}',
    ],
)
def test_what_are_no_bins_is_refused(content: bytes) -> None:
    """Each is one line."""
    with pytest.raises(BundleError, match="bins: expected") as refused:
        Bins.from_json(content)
    assert "\n" not in str(refused.value)


def test_a_bundle_has_bins_of_its_own_numbers(task: Path, tmp_path: Path) -> None:
    """From a training set's columns into the bundle; bins of another graph or of lists are refused."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "hour": pa.array([1, 2, None], pa.int64()),
            "retail.cancel_ratio": pa.array([0.5, 0.25, 0.0]),
            "history": ["x", "y", "z"],
            "more": [1, 2, 3],
        }
    )
    file = tmp_path / "train.parquet"
    pq.write_table(table, file)
    command(task, [file, file])
    bundle = pack(task).bundle
    found = bins_of(bundle)
    assert found is not None
    graph = graph_of(bundle)
    assert set(found.features) <= set(numbers(graph))
    assert found.features["hour"].counts[-1] == 2
    assert sum(found.features["hour"].counts) == 6
    for name, said in (("hours", "found none"), ("history", "expected a number")):
        wrong = Bins({name: Cut((), (1, 0))})
        assert said in next(differences(wrong, graph))
        (task / "bins.json").write_bytes(wrong.to_json())
        with pytest.raises(DeployError, match=said):
            pack(task)
    file.write_bytes(b"no parquet")
    with pytest.raises(TaskError, match="expected Parquet of numbers"):
        trained(graph, [file])


class Source:
    """Gives vectors by turns."""

    def __init__(self, *values: dict[str, object]) -> None:
        self._values = iter(values)

    def extract(self, graph_id: str, **asked: Any) -> FeatureVector:
        """Return the next one."""
        return FeatureVector(next(self._values), graph_id, asked["at_ms"])


def test_a_device_counts_once_a_second() -> None:
    """Numbers, decimals, truths, missing ones and lists of candidates; what was taken begins anew."""
    bins = Bins({"a": Cut((1.0, 2.0), (1, 1, 1, 1)), "b": Cut((0.5,), (1, 1, 1)), "c": Cut((), (1, 1))})
    now = [0.0]
    calls: list[dict[str, object]] = [
        {"a": Decimal("1.5"), "b": True, "c": None},
        {"a": 9, "b": False},
        {"a": [0, 1, 2, None], "b": False, "other": "x"},
    ]
    watched = Watched(Source(*calls), bins, lambda: now[0])
    for second in (0.0, 0.5, 1.0):
        now[0] = second
        watched.extract("g", at_ms=0)
    assert watched.take() == {"a": (1, 2, 1, 1), "b": (1, 1, 0), "c": (0, 2)}
    assert watched.take() == {}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an engine without events."""
    with EventLog(tmp_path / "events.db", history_start_ms="all") as log:
        yield Engine(log, key="ann")


def test_a_host_reports_what_its_features_are_like(engine: Engine, task: Path) -> None:
    """Of a bundle with bins each report tells the counts, of ranked candidates each; of one without none."""
    (task / "bins.json").write_bytes(Bins({"hour": Cut((12.0,), (1, 1, 0))}).to_json())
    bundle = pack(task).bundle
    placed = Placed(bundle.manifest.task, Assigned("first", bundle.id, bundle.manifest.graph_id), bundle)
    host = Host(engine)
    host.run("rank", placed)
    graph = graph_of(bundle)
    offered = {name: [1, 2] for name in graph.candidates}
    host.rank("rank", offered, at_ms=13 * 3_600_000)
    assert host.take("rank").drift == {"hour": (0, 1, 0)}
    assert host.take("rank").drift == {}
    shutil.rmtree(task)
