"""Where releases run: plans come and go with bundles, states go on, and each call is counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from deploy.bundle.bundle import Bundle
from deploy.bundle.pack import pack
from deploy.device.counted import latency_bin
from deploy.device.disk import Disk
from deploy.device.marks import Marks
from deploy.device.ports import Placed
from deploy.errors import BundleError, InstallError
from deploy.host import Host
from deploy.task.policy import Policy
from deploy.wire.assignment import Assigned
from inference.manifest import FileEntry
from stream import Engine, EventLog

pytestmark = pytest.mark.device

NOW = 1_700_000_000_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Give an engine with some purchases."""
    with EventLog(tmp_path / "events.db", history_start_ms="all") as log:
        engine = Engine(log, key="ann", mode="incremental")
        engine.append_many(
            {"event": "purchase", "ts_ms": NOW - n * 1_000, "price": "1.50"} for n in range(50)
        )
        yield engine


@pytest.fixture
def host(engine: Engine) -> Host:
    """Give a host without a release."""
    return Host(engine)


def placed(bundle: Bundle, release: str = "first", own: dict[str, FileEntry] | None = None) -> Placed:
    """Return BUNDLE as a release that is here."""
    manifest = bundle.manifest
    return Placed(manifest.task, Assigned(release, manifest.id, manifest.graph_id, own or {}), bundle)


def kept(disk: Disk, bundle: Bundle) -> Bundle:
    """Return BUNDLE with its contents on DISK."""
    for sha256, size in bundle.manifest.blobs.items():
        content = bytearray()
        bundle.pour(sha256, size, content.extend)
        disk.put(sha256, bytes(content))
    disk.put(bundle.id, bundle.manifest.to_json())
    return disk.bundle(bundle.id)


def test_a_release_runs_and_is_counted(host: Host, made: Callable[..., Path]) -> None:
    """What a bundle computes is what its graph and model say; each run is counted once."""
    one = placed(pack(made("a")).bundle)
    host.prove(one)
    host.run("made", one)
    assert host.infer("made", at_ms=NOW + 1)["twice"].tolist() == [150.0]
    with pytest.raises(fg.FeatureGraphError):
        host.infer("made", at_ms="soon")
    host.count("made", "shown", 3)
    tally = host.tally("made")
    assert tally is not None
    assert (tally.release, tally.runs, tally.failures) == ("first", 2, 1)
    assert tally.error
    counts = host.take("made")
    assert (counts.runs, counts.failures, sum(counts.latency), counts.counters) == (2, 1, 1, {"shown": 3})
    assert host.take("made").runs == 0


def test_states_go_on_over_an_upgrade(
    host: Host, engine: Engine, made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release whose graph means the same reads nothing of the log anew, and has the same value."""
    host.run("made", placed(pack(made("a")).bundle))
    first = host.infer("made", at_ms=NOW + 1)["twice"].tolist()
    read: list[str] = []
    scan = engine.log.scan_runs

    def counted(key: str, name: str, *rest: Any) -> Any:
        read.append(name)
        return scan(key, name, *rest)

    monkeypatch.setattr(engine.log, "scan_runs", counted)
    purchase = fg.Event.of("purchase", {"price": fg.decimal(2)})
    more = fg.rows(purchase).over("1h").count()  # narrower, of the same rows
    host.run("made", placed(pack(made("b", more=more)).bundle, "second"))
    assert len(engine.plans) == 1
    assert host.infer("made", at_ms=NOW + 1)["twice"].tolist() == first
    assert read == []


def test_a_call_ends_with_the_release_that_it_began_with(
    host: Host, engine: Engine, made: Callable[..., Path]
) -> None:
    """Calls of four threads go on while releases are exchanged; none fails, and one plan is left."""
    bundles = [pack(made(name, window)).bundle for name, window in (("a", "7d"), ("b", "8d"))]
    host.run("made", placed(bundles[0]))
    stop, failed = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            try:
                host.infer("made", at_ms=NOW + 1)
            except (fg.FeatureGraphError, InstallError) as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(4):
        host.run("made", placed(bundles[number % 2], f"r{number}"))
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert list(engine.plans) == [bundles[1].manifest.graph_id]


def test_a_call_that_ends_takes_no_plan_out_that_comes_in(
    host: Host, engine: Engine, made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last call of an old release ends while the same graph comes back: its plan stays."""
    bundles = [pack(made(name, window)).bundle for name, window in (("a", "7d"), ("b", "8d"))]
    host.run("made", placed(bundles[0]))
    install = engine.install
    with host._call("made") as old:
        host.run("made", placed(bundles[1], "second"))

        def installed(plan: Any) -> None:
            install(plan)
            host._ended(old, 1.0, "")

        monkeypatch.setattr(engine, "install", installed)
        host.run("made", placed(bundles[0], "third"))
        assert host.infer("made", at_ms=NOW + 1)["twice"].tolist() == [150.0]
        old.calls += 1  # the call ended by hand


def test_two_tasks_share_a_plan(host: Host, engine: Engine, made: Callable[..., Path]) -> None:
    """A plan leaves with the last task that uses it."""
    bundle = pack(made("a")).bundle
    host.run("one", placed(bundle))
    host.run("two", placed(bundle))
    host.run("one", None)
    assert host.infer("two", at_ms=NOW + 1)["twice"].tolist() == [150.0]
    host.run("two", None)
    assert engine.plans == {}
    with pytest.raises(InstallError, match="use what the app has built in"):
        host.infer("two")


def test_the_same_bytes_by_another_name_go_on(host: Host, made: Callable[..., Path]) -> None:
    """A control arm opens nothing anew; what is counted is its own from then on."""
    bundle = pack(made("a")).bundle
    host.run("made", placed(bundle))
    running = host._tasks["made"]
    host.infer("made", at_ms=NOW)
    host.run("made", placed(bundle, "control"))
    assert host._tasks["made"] is running
    assert host.take("made").runs == 0
    tally = host.tally("made")
    assert tally is not None
    assert tally.release == "control"


def test_scripts_are_refused_unless_allowed(engine: Engine, scripted: Path) -> None:
    """By default nothing runs that brought code; who lets it in still never runs it here."""
    bundle = pack(scripted, Policy(scripts=True)).bundle
    with pytest.raises(InstallError, match="expected a bundle without scripts") as refused:
        Host(engine).prove(placed(bundle))
    assert "\n" not in str(refused.value)


def test_another_key_is_this_devices_refusal(tmp_path: Path, made: Callable[..., Path]) -> None:
    """A graph of another key is not the release's fault: it is not marked as bad."""
    one = placed(pack(made("a")).bundle)
    with EventLog(tmp_path / "other.db", key="store_id") as log:
        host = Host(Engine(log, key="s"))
        with pytest.raises(InstallError, match="expected the key"):
            host.prove(one)
        with pytest.raises(InstallError, match="expected the key"):
            host.run("made", one)


def test_damage_is_found_before_anything_runs(host: Host, tmp_path: Path, made: Callable[..., Path]) -> None:
    """A content that rotted on the device is told by name, and nothing of it is loaded."""
    bundle = pack(made("a")).bundle
    disk = Disk(tmp_path / "device")
    host.run("made", placed(kept(disk, bundle)))
    path = tmp_path / "device" / bundle.manifest.files["model/model.onnx"].sha256
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    host.run("made", None)
    with pytest.raises(BundleError, match="expected that hash"):
        host.run("made", placed(disk.bundle(bundle.id)))
    disk.close()


def test_files_are_read_by_name(host: Host, task: Path, tmp_path: Path) -> None:
    """Shared ones from the bundle, the device's own by its assignment."""
    bundle = pack(task).bundle
    disk = Disk(tmp_path / "device")
    own = FileEntry(5, "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7")
    disk.put(own.sha256, b"world")
    with EventLog(tmp_path / "retail.db", key="user_id") as log:
        host = Host(Engine(log, key="u"))
        host.run("retail-rank", placed(kept(disk, bundle), own={"data/taste.bin": own}))
        assert host.read("retail-rank", "data/taste.bin") == b"world"
        assert host.read("retail-rank", "data/words.txt") == b"tea\nmilk\n"
        assert host.read("retail-rank", "config.json") == b'{"k": 10}'
        with pytest.raises(BundleError):
            host.read("retail-rank", "data/none")
    disk.close()


def test_a_run_is_marked_while_it_lasts(engine: Engine, tmp_path: Path, made: Callable[..., Path]) -> None:
    """What a process dies in is told to the next one."""
    marks = Marks(tmp_path / "running")
    host = Host(engine, marks=marks)
    one = placed(pack(made("a")).bundle)
    host.run("made", one)
    host.infer("made", at_ms=NOW)
    with host._call("made"):
        assert Marks(tmp_path / "running").died == {one.mark}
    marks.close()


def test_latencies_have_bins_of_a_fourth_root_of_two() -> None:
    """Bin i holds [2^(i/4), 2^((i+1)/4)) microseconds, the last one all above."""
    found = [latency_bin(2 ** (i / 4) * 1.0001) for i in range(64)]
    assert found == list(range(64))
    assert (latency_bin(0), latency_bin(1e12)) == (0, 63)
