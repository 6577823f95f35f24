"""Publisher, trust, service and device as they are: each in its process, over HTTP, with real keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import headrace
from deploy import Bundle, canonical
from deploy.bundle.bundlefile import write_bundle
from deploy.bundle.pack import pack
from deploy.cohort import Cohort
from deploy.rollout import Release
from deploy.trust import keys
from deploy.trust.assignments import AssignmentKeys
from deploy.trust.repository import Repository, Signers

RETAIL = Path(headrace.__file__).parent / "retail/package"


def packed(folder: Path, words: str) -> Bundle:
    """Return the retail task's bundle with WORDS in its description."""
    shutil.copytree(RETAIL, folder / "task/model")
    (folder / "task/task.toml").write_text(f'name = "rank"\ndescription = "{words}"\n', "utf-8")
    return pack(folder / "task").bundle


def test_a_device_runs_what_is_released_and_falls_back_when_it_is_halted(tmp_path: Path, start: Any) -> None:
    """Published, vouched for, released: a real agent installs, runs and reports it, and stops at a halt."""
    service = start(tmp_path / "service")
    key = keys.generate()
    one = Signers([key.public])
    trust = Repository(service.folder / "tuf")
    trust.init(dict.fromkeys(("root", "targets", "snapshot", "timestamp"), one), [key])
    trust.assign(AssignmentKeys.of([keys.read_public(service.folder / "keys/assignment.pub")]), [key])
    trust.delegate("rank", one, [key])
    (tmp_path / "root.json").write_bytes(trust.root())

    bundle = packed(tmp_path, "one")
    write_bundle(bundle, tmp_path / "one.bundle")
    published = service.headrace("publisher", "publish", str(tmp_path / "one.bundle"))
    assert published.returncode == 0, published.stderr
    trust.publish("rank", bundle.manifest.to_json(), [key])
    releaser = service.remote("releaser")
    release = Release("rank", bundle.id, bundle.manifest.graph_id, Cohort("first"))
    releaser.ask("PUT", "/v1/releases/first", canonical.encode(release), 1)

    def check() -> Any:
        words = ("agent", "check", str(tmp_path / "device"), "--device", "ann", "--json", "--within", "60")
        done = service.headrace("device", *words, "--root", str(tmp_path / "root.json"))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    running = check()["tasks"]["rank"]["active"]
    assert (running["release"], running["bundle"]) == ("first", bundle.id)
    counted = service.remote("viewer").ask("GET", "/v1/releases/first/counters")
    assert counted["states"]["installed"] == counted["states"]["active"] == 1
    releaser.ask("POST", "/v1/releases/first/halt")
    assert not check()["tasks"].get("rank", {}).get("active")
    service.stop()
