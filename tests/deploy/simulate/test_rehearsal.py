"""A bundle on recorded events before its first device: what a device would meet is met here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deploy.bundle.bundle import Bundle
from deploy.bundle.pack import pack
from deploy.bundle.proof import graph_of
from deploy.bundle.store import Store
from deploy.errors import ServiceError
from deploy.simulate.rehearsal import played, rehearse
from deploy.task.version import Version
from tests.deploy.conftest import make_task

pytestmark = pytest.mark.device
NOW = 1_700_000_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store with the retail task."""
    room = tmp_path_factory.mktemp("rehearsal")
    bundle = pack(make_task(room / "task")).bundle
    words = ("Ann", "Tea", 1)
    Store(room / "store").commit(
        bundle, lambda parent: Version("rank", bundle.id, bundle.manifest.graph_id, *words, parent)
    )
    return room / "store"


@pytest.fixture
def bundle(store: Path) -> Bundle:
    """Give the retail bundle."""
    home = Store(store)
    return home.bundle(next(home.history(home.tasks()[0])).bundle)


def lines(bundle: Bundle, **changed: Any) -> str:
    """Return a recording of three calls, the last one as CHANGED."""
    graph = graph_of(bundle)
    offered = {name: [1, 2, 3] for name in graph.candidates}
    asks = [{"key": "ann", "at_ms": NOW + n, "candidates": offered} for n in range(3)]
    asks[-1].update(changed)
    event = {"event": next(iter(graph.schemas)), "ts_ms": NOW - 1, str(graph.key): "ann"}
    return "\n".join(json.dumps(each) for each in (event, *({"ask": ask} for ask in asks)))


def test_a_bundle_that_answers_passes(bundle: Bundle, tmp_path: Path) -> None:
    """All calls are answered; how long they took is told."""
    found = played(bundle, lines(bundle), tmp_path)
    assert (found.events, found.asks, found.error, found.p99_us > 0) == (1, 3, "", True)


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        ("", "expected calls, found events alone"),
        ("{", "line 1 of the recording: expected an event or a call"),
        ('{"ts_ms":"soon"}', "line 1 of the recording: expected an event or a call"),
        ('{"ask":{"at_ms":-1}}', "line 1 of the recording: expected an event or a call"),
        ('{"event":"?","ts_ms":1,"x":1}', "expected"),
    ],
)
def test_what_is_no_recording_is_told(bundle: Bundle, tmp_path: Path, recording: str, said: str) -> None:
    """It is one line, with the place."""
    found = played(bundle, recording, tmp_path)
    assert said in found.error
    assert "\n" not in found.error


def test_one_call_without_an_answer_fails_it(bundle: Bundle, tmp_path: Path) -> None:
    """What an app would have met is told, and how often."""
    found = played(bundle, lines(bundle, candidates={"none": [1]}), tmp_path)
    assert found.error.startswith("expected 3 answers, found 1 failures, first: RequestError")


def test_it_runs_in_a_process_of_its_own(
    bundle: Bundle, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that passes is told as such; one that does not end, or ends without a word, has failed."""
    assert rehearse(store, bundle.manifest, lines(bundle), within_s=600).asks == 3
    with pytest.raises(ServiceError, match="expected an end within") as late:
        rehearse(store, bundle.manifest, lines(bundle), within_s=0.01)
    assert late.value.status == 422
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(ServiceError, match="it ended by 1"):
        rehearse(store, bundle.manifest, lines(bundle))


def test_a_bundle_that_is_not_whole_is_told(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    """It is what a device would find."""
    shutil.copytree(store, tmp_path / "store")
    model = bundle.manifest.files["model/model.onnx"].sha256
    (tmp_path / "store/blobs" / model[:2] / model).unlink()
    found = played(Bundle(bundle.manifest, Store(tmp_path / "store")), lines(bundle), tmp_path)
    assert found.error
    assert "\n" not in found.error
