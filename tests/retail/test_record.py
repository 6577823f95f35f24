"""`headrace demo --out`: the files hold what was served, and the reference computes it again from them."""

from __future__ import annotations

import shlex
import shutil
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

import pytest

import inference
from featuregraph import Graph, reference
from featuregraph.values import same
from headrace.cli import main
from headrace.errors import UsageError
from headrace.retail import serving
from headrace.retail.record import FILES, Record, again
from headrace.retail.slice import load

pq = pytest.importorskip("pyarrow.parquet", reason="--out writes Parquet: extra `replay`")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Serve a few requests, each with a dozen candidates, and return the folder that was written."""
    room = tmp_path_factory.mktemp("record")
    log = load()
    with as_file(files("headrace.retail").joinpath("package")) as package:
        model = inference.load(package)
    device = serving.device(room, model, log, "16MiB")
    device.offered = {name: values[::90] for name, values in device.offered.items()}
    with device.log, Record(room / "out", model, device.offered) as record:
        for request in islice(serving.serve(device, log, 5), 5):
            record.add(request)
        record.events(device.log)
    return room / "out"


def test_the_folder_is_complete(served: Path) -> None:
    """All four files are there and nothing else."""
    assert sorted(path.name for path in served.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("as_known", [False, True])
def test_anyone_can_compute_it_again(served: Path, as_known: bool) -> None:
    """From graph, events and queries the reference gives the features table, cell for cell."""
    graph = Graph.from_json((served / "graph.json").read_text(encoding="utf-8"))
    events, queries = (pq.read_table(served / name) for name in ("events.parquet", "queries.parquet"))
    found = reference.evaluate(graph, events, queries, as_known=as_known)
    features = pq.read_table(served / "features.parquet")
    assert found.schema.names == features.schema.names
    for name in features.schema.names:
        assert same(found[name].to_pylist(), features[name].to_pylist()), name


def test_the_command_that_the_demo_tells_computes_it_again(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is printed, whatever the folder is called."""
    folder = tmp_path / "what I served"
    shutil.copytree(served, folder)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(again(folder).replace("\\\n", ""))[1:]) == 0
    assert pq.read_table("again.parquet").equals(pq.read_table(folder / "features.parquet"))


def test_what_is_there_stays(served: Path) -> None:
    """A folder with a record in it is refused, by name."""
    with as_file(files("headrace.retail").joinpath("package")) as package:
        model = inference.load(package)
    with pytest.raises(UsageError, match=r"expected no graph\.json"):
        Record(served, model, {})
