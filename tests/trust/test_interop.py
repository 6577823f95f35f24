"""Clients that others wrote believe our repository; ours speaks the command line of the public suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater

from tests.trust.world import KEYS, METADATA, OFFLINE, ONLINE, TARGETS, World, held, manifest

SCRIPT = Path(__file__).with_name("download.cjs")
Download = Callable[[World, Path, str], bytes | None]


def by_ngclient(world: World, folder: Path, path: str) -> bytes | None:
    """Return the target at PATH by python-tuf's own client and fetcher; None if it refuses."""
    url = world.server.url
    try:
        client = Updater(
            str(folder), url + METADATA, str(folder), url + TARGETS, bootstrap=world.repository.root()
        )
        client.refresh()
        info = client.get_targetinfo(path)
        return None if info is None else Path(client.download_target(info)).read_bytes()
    except (RepositoryError, DownloadError):
        return None


def by_tuf_js(world: World, folder: Path, path: str) -> bytes | None:
    """Return the target at PATH by tuf-js on Node; None if it refuses."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    found = subprocess.run([node, "-e", "require('tuf-js')"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(
            "tuf-js is not installed: npm install --prefix DIR tuf-js, and NODE_PATH=DIR/node_modules"
        )
    if not (folder / "root.json").is_file():
        (folder / "root.json").write_bytes(world.repository.root())
    url = world.server.url
    call = [node, str(SCRIPT), str(folder), url + METADATA, url + TARGETS, path]
    run = subprocess.run(call, capture_output=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return run.stdout if run.returncode == 0 else None


@pytest.mark.parametrize("download", [by_ngclient, by_tuf_js])
def test_another_client_believes_our_repository(download: Download, world: World, tmp_path: Path) -> None:
    """It downloads by delegation, follows rotations of every top key, and refuses what ours refuses."""
    folder = tmp_path / "client"
    folder.mkdir()
    one = world.publish("one")
    old = world.state()
    assert download(world, folder, f"rank/{one}.json") == manifest(words="one").to_json()
    every = held(*OFFLINE, "root3", "rank2", "thief", "assign", *ONLINE)
    world.repository.rotate("root", every, add=[KEYS["rank2"].public], remove=[KEYS["root3"].id])
    for role, new in (("targets", "thief"), ("timestamp", "assign")):
        world.repository.rotate(role, every, add=[KEYS[new].public], remove=[KEYS[role].id])
    two = world.publish("two", "rank", "snapshot", "assign")
    assert download(world, folder, f"rank/{two}.json") == manifest(words="two").to_json()
    assert download(world, folder, "assignment-keys.json") is not None
    assert download(world, folder, f"rank/{'0' * 64}.json") is None
    world.serve({**old, "timestamp.json": old["timestamp.json"]})
    assert download(world, folder, f"rank/{two}.json") is None
    world.server.lies = {f"{two}.json": manifest(words="own").to_json()}
    assert download(world, folder, f"rank/{two}.json") is None


def test_our_client_speaks_the_command_line_of_the_suite(world: World, tmp_path: Path) -> None:
    """Init, refresh, download twice with one request of the file, refuse."""
    one = world.publish()
    (tmp_path / "root").write_bytes(world.repository.root())
    metadata, targets, url = tmp_path / "metadata", tmp_path / "targets", world.server.url
    targets.mkdir()
    remote = ("--metadata-url", url + METADATA)
    download = (*remote, "--target-dir", targets, "--target-base-url", url + TARGETS, "--target-name")

    def call(*words: object) -> int:
        command = [sys.executable, "-m", "deploy.trust.conformance", "--metadata-dir", metadata, *words]
        found = subprocess.run([str(word) for word in command], capture_output=True, check=False, env=env)
        assert found.stderr.count(b"\n") == (found.returncode != 0)
        return found.returncode

    import deploy

    top = Path(deploy.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": str(top)}
    assert call(*remote, "refresh") == 1
    assert call("init", tmp_path / "root") == 0
    assert call(*download, f"rank/{one}.json", "download") == 0
    assert call(*download, f"rank/{one}.json", "download") == 0
    assert [path for path in world.server.asked if path.endswith(f"{one}.json")] == [
        f"{TARGETS}rank/{one}.{one}.json"
    ]
    assert [path.read_bytes() for path in targets.iterdir()] == [manifest().to_json()]
    assert call(*download, "rank/none.json", "download") == 1
