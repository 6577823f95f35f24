"""Signed lists: taken from who may sign them and nobody else, named by the online keys, kept up each day."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy import canonical
from deploy.cloud.signer import Signer
from deploy.task.manifest import Manifest
from deploy.testing.shelf import noise, sparse
from deploy.trust import keys
from deploy.trust.lists import Listed, vouching
from deploy.trust.repository import Repository, Signers
from deploy.wire.delta import apply_delta
from inference.manifest import FileEntry

DAY_MS = 86_400_000
OFFLINE, MINE, OTHERS = (keys.generate() for _ in range(3))


def ceremony(folder: Path, *tasks: str) -> Repository:
    """Hold the ceremony in FOLDER, whose service has online keys; the task `rank` is MINE."""
    (folder / "keys").mkdir()
    online = {role: keys.generate() for role in ("snapshot", "timestamp")}
    for role, key in online.items():
        keys.write(folder / "keys" / role, key)
    signing = [OFFLINE, *online.values()]
    repository = Repository(folder / "tuf")
    signers = {"root": OFFLINE, "targets": OFFLINE, **online}
    repository.init({role: Signers([key.public]) for role, key in signers.items()}, signing)
    for task in tasks or ("rank",):
        repository.delegate(task, Signers([MINE.public]), signing)
    return repository


def listed(sent: Any, task: str = "rank") -> Listed:
    """Return what the service tells of the list of TASK."""
    return msgspec.json.decode(sent("GET", f"/v1/tasks/{task}/list", "publisher").content, type=Listed)


def signed(sent: Any, manifest: Manifest, *held: keys.Key) -> bytes:
    """Return the next list with the bundle of MANIFEST, signed with HELD."""
    made = vouching(listed(sent), manifest, None, held, time.time_ns() // 1_000_000)
    assert made is not None
    return made


def put(sent: Any, content: bytes, task: str = "rank") -> Any:
    """Send the list CONTENT."""
    return sent("PUT", f"/v1/tasks/{task}/list", "publisher", content=content)


def test_a_list_is_taken_once_and_named_by_the_online_keys(sent: Any) -> None:
    """The publisher's key stays with the publisher; what it signed is served, and told in the audit log."""
    repository = ceremony(sent.folder)
    one, two = sent.publish(1), sent.publish(2)
    first = signed(sent, one, MINE)
    assert put(sent, first).json() == {"new": True}
    assert put(sent, first).json() == {"new": False}  # the answer was lost, it is sent again
    assert put(sent, signed(sent, two, MINE)).status_code == 200
    assert repository.bundles("rank") == sorted([one.id, two.id])
    assert repository.status()[-1].why_due is None
    assert sent("GET", "/v1/tuf/metadata/2.rank.json").status_code == 200
    found = sent("GET", f"/v1/tuf/targets/rank/{one.id}.{one.id}.json")
    assert found.content == one.to_json()
    deeds = [entry["action"] for entry in sent("GET", "/v1/audit", "viewer").json()["entries"]]
    assert deeds.count("list.take") == 2
    assert vouching(listed(sent), one, None, [MINE], time.time_ns() // 1_000_000) is None


def test_who_is_second_signs_again(sent: Any) -> None:
    """Two publishers sign the same number: the second one is told so, and loses nothing of the first."""
    repository = ceremony(sent.folder)
    one, two = sent.publish(1), sent.publish(2)
    first, second = signed(sent, one, MINE), signed(sent, two, MINE)
    assert put(sent, first).status_code == 200
    assert put(sent, second).status_code == 409
    assert put(sent, signed(sent, two, MINE)).status_code == 200
    assert len(repository.bundles("rank")) == 2


def forged(content: bytes, **changes: object) -> bytes:
    """Return the list CONTENT with other words under the same signature."""
    found = json.loads(content)
    found["signed"].update(changes)
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda made, _manifest: made[:-2],
        lambda made, _manifest: b"{}",
        lambda made, _manifest: b"[" * 100_000,
        lambda made, _manifest: forged(made, version=1, targets={}),
        lambda made, _manifest: forged(made, expires="2100-01-01T00:00:00Z"),
        lambda _made, manifest: vouching(Listed(1), manifest, None, [OTHERS], time.time_ns() // 1_000_000),
        lambda _made, manifest: vouching(Listed(1), manifest, None, [MINE], 0),  # it ended long ago
    ],
)
def test_another_list_is_refused(spoil: Callable[[bytes, Manifest], bytes], sent: Any) -> None:
    """Cut, forged, of other keys, over: nothing of it is kept, and the right one can still be sent."""
    ceremony(sent.folder)
    manifest = sent.publish(1)
    made = signed(sent, manifest, MINE)
    answered = put(sent, spoil(made, manifest))
    assert answered.status_code == 400, answered.text
    assert "expected" in answered.json()["error"]
    assert listed(sent) == Listed(1)
    assert put(sent, made).status_code == 200


def test_a_list_names_published_bundles_of_its_own_task(sent: Any) -> None:
    """Not what nobody published, nor another task's, nor a path that climbs."""
    ceremony(sent.folder, "rank", "sort")
    manifest = sent.publish(1)
    strange = msgspec.structs.replace(manifest, graph_id="c" * 64)
    assert put(sent, signed(sent, strange, MINE)).status_code == 400
    assert put(sent, signed(sent, manifest, MINE), "sort").status_code == 400
    assert put(sent, signed(sent, manifest, MINE), "nobodys").status_code == 400
    assert listed(sent, "sort") == Listed(1)


def test_without_a_ceremony_nothing_is_taken(sent: Any) -> None:
    """It says what to do; nor is anything signed."""
    manifest = sent.publish(1)
    made = vouching(Listed(1), manifest, None, [MINE], time.time_ns() // 1_000_000)
    assert made is not None
    assert put(sent, made).status_code == 409
    assert sent("GET", "/v1/tasks/rank/list", "publisher").status_code == 409
    assert Signer(sent.folder, lambda: 0).refresh() is None


def test_what_it_cannot_sign_is_counted(sent: Any) -> None:
    """A role whose end is near and whose key lies elsewhere stands in the metrics."""
    ceremony(sent.folder)
    signer = sent.app.service.signer
    signer.refresh()
    assert "headrace_trust_due{role=" not in sent("GET", "/metrics", "viewer").text
    signer.left = {"root": "it ends soon"}
    assert 'headrace_trust_due{role="root"} 1.0' in sent("GET", "/metrics", "viewer").text


def test_a_service_that_starts_signs_what_is_due(tmp_path: Path) -> None:
    """Four weeks asleep: the first look gives snapshot and timestamp anew, the second has nothing to do."""
    repository = ceremony(tmp_path)
    later = time.time_ns() // 1_000_000 + 28 * DAY_MS
    before = {one.standing.role: one.version for one in repository.status()}
    first, second = (Signer(tmp_path, lambda: later).refresh() for _ in range(2))
    assert first is not None
    assert second is not None
    assert (bool(first.lines), second.lines) == (True, ())
    after = {one.standing.role: one.version for one in repository.status()}
    assert {role for role in after if after[role] != before[role]} == {"snapshot", "timestamp"}


def test_what_nothing_leads_to_any_more_goes_after_a_while(sent: Any) -> None:
    """Old lists and snapshots go; roots, what is in force and what a device may still be fetching stay."""
    repository = ceremony(sent.folder)
    for n in range(3):
        assert put(sent, signed(sent, sent.publish(n), MINE)).status_code == 200
    metadata = repository.metadata
    before = {path.name for path in metadata.iterdir()}
    assert repository.prune() == []
    for path in metadata.iterdir():
        os.utime(path, (0, 0))
    Signer(sent.folder, lambda: time.time_ns() // 1_000_000).refresh()
    left = {path.name for path in metadata.iterdir()}
    assert {"1.rank.json", "2.rank.json", "1.snapshot.json"} <= before - left
    assert {"1.root.json", "3.rank.json", "timestamp.json"} <= left
    assert len([name for name in left if "snapshot" in name]) == 1
    assert len(repository.bundles("rank")) == 3
    assert all(one.why_due is None for one in repository.status())


def test_a_difference_is_made_between_files_of_one_name(sent: Any) -> None:
    """Of a newer and an older bundle, once; what is no smaller is remembered and asked for in vain."""
    contents = [noise(1, 60_000), sparse(noise(1, 60_000), 0.02), noise(2, 60_000)]
    base = sent.publish(0)
    for content in contents:
        assert sent.send(content, canonical.digest(content)).status_code == 204
        rows = FileEntry(len(content), canonical.digest(content))
        manifest = msgspec.structs.replace(base, files={**base.files, "data/rows.bin": rows})
        assert sent("PUT", f"/v1/bundles/{manifest.id}", "publisher", content=manifest.to_json()).is_success
    deltas, (one, two, three) = sent.app.service.deltas, map(canonical.digest, contents)
    end = time.monotonic() + 30
    while deltas.due() and time.monotonic() < end:
        sent.run(sleep())
    assert not deltas.due()
    found = sent("GET", f"/v1/deltas/{one}/{two}").content
    assert len(found) < 5_000
    assert apply_delta(contents[0], found, 60_000) == contents[1]
    assert sent("GET", f"/v1/deltas/{two}/{three}").status_code == 404
    assert sent("GET", f"/v1/deltas/{two}/{three}.none").status_code == 404
    assert deltas.path(two, three).with_name(three + ".none").is_file()


async def sleep() -> None:
    """Let the service work."""
    await asyncio.sleep(0.02)
