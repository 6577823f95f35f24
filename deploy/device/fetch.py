"""All bytes of a release, each vouched for: the manifest first, then what of its contents is not here yet.

1. The manifest is what the publishers signed, of this bundle, task and graph. 2. The device's own files fit
the slots that it leaves. 3. A content is here once its hash was verified, however it came: as a difference
to the file of the same name in a release that is here, or whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from deploy import limits
from deploy.device.disk import Disk
from deploy.device.download import download
from deploy.device.network import Network
from deploy.errors import BundleError, InstallError, WireError
from deploy.task.manifest import Manifest
from deploy.wire import delta
from deploy.wire.assignment import Assigned
from deploy.wire.check import BLOBS, DELTAS
from inference.manifest import FileEntry

DELTA: Final = ".delta"
Vouch = Callable[[str, str], Manifest]  # for the manifest of a task's bundle; TrustError if nobody does


def fetch(
    network: Network,
    disk: Disk,
    vouch: Vouch,
    task: str,
    wanted: Assigned,
    *,
    held: Iterable[Assigned] = (),
    keep: Iterable[Assigned] | None = None,
) -> None:
    """Have all of WANTED on DISK.

    Args:
        network: the service.
        disk: where it is to be.
        vouch: returns the manifest of a task's bundle, if its publishers signed it.
        task: the task's name.
        wanted: what to fetch.
        held: releases that may have some of it already, the likeliest first.
        keep: all releases that stay; where the quota is short, others make room. None: nothing goes.

    Raises:
        NetworkError: the network cut off; the next call goes on.
        TrustError: its publishers do not vouch for it.
        InstallError: it does not fit this device's slots or quota, or the service has other bytes.
        OSError: the disk refuses.
    """
    manifest = vouch(task, wanted.bundle)
    _require_fit(manifest, task, wanted)
    files = {**manifest.files, **wanted.exclusive}
    lacking = {e.sha256: e.bytes for e in files.values() if not disk.is_whole(e.sha256, e.bytes)}
    _make_room(disk, sum(lacking.values()), manifest, wanted, keep)
    older = _older(disk, held)
    for name, entry in files.items():
        if lacking.pop(entry.sha256, None) is not None:
            _get(network, disk, entry, older.get(name))
    if not disk.holds(wanted.bundle):
        disk.put(wanted.bundle, manifest.to_json())


def contents(manifest: Manifest, wanted: Assigned) -> Iterator[str]:
    """Yield the hashes of all contents of WANTED."""
    yield wanted.bundle
    for entry in (*manifest.files.values(), *wanted.exclusive.values()):
        yield entry.sha256


def _require_fit(manifest: Manifest, task: str, wanted: Assigned) -> None:
    for what, expected, found in (
        ("bundle", wanted.bundle, manifest.id),
        ("graph", wanted.graph_id, manifest.graph_id),
        ("task", task, manifest.task),
    ):
        if expected != found:
            raise InstallError(
                f"release {wanted.release}: expected the {what} {expected:.12}, found {found:.12};"
                " make the release again"
            )
    for name, entry in wanted.exclusive.items():
        slot = manifest.exclusive.get(name)
        if slot is None or entry.bytes > slot.most_bytes:
            room = "no such slot" if slot is None else f"a slot of {slot.most_bytes} bytes"
            raise InstallError(
                f"{name}: expected room for {entry.bytes} bytes, found {room}; publish it again"
            )
    for name, slot in manifest.exclusive.items():
        if slot.required and name not in wanted.exclusive:
            raise InstallError(f"{name}: expected this device's own file, found none; publish one for it")


def _make_room(
    disk: Disk, most: int, manifest: Manifest, wanted: Assigned, keep: Iterable[Assigned] | None
) -> None:
    """Require room for the contents that lack, MOST bytes without their parts."""
    names = set(contents(manifest, wanted))
    try:
        disk.require(most - sum(_grown(disk.part(name)) for name in names))
    except InstallError:
        if keep is None:
            raise
        disk.collect(keep, names)
        disk.require(most - sum(_grown(disk.part(name)) for name in names))


def _older(disk: Disk, held: Iterable[Assigned]) -> dict[str, FileEntry]:
    """Return the files of the releases that are here, by name; the first of HELD has the word."""
    found: dict[str, FileEntry] = {}
    for one in held:
        with suppress(BundleError):
            for name, entry in {**disk.bundle(one.bundle).manifest.files, **one.exclusive}.items():
                found.setdefault(name, entry)
    return found


def _get(network: Network, disk: Disk, entry: FileEntry, old: FileEntry | None) -> None:
    """Have one content, as a difference to OLD if the service has one and it leads there."""
    begun = _grown(disk.part(entry.sha256)) > 0
    possible = old is not None and delta.is_possible(old.bytes, entry.bytes)
    if old is not None and possible and not begun and _get_delta(network, disk, entry, old):
        return
    part = disk.part(entry.sha256)
    if not entry.bytes:
        disk.put(entry.sha256, b"")
        return
    if not download(network, BLOBS + entry.sha256, part, entry.bytes, exactly=True):
        raise InstallError(
            f"blob {entry.sha256[:12]}: expected it at the service, found none; publish its bundle again"
        )
    disk.adopt(entry.sha256, entry.bytes)


def _get_delta(network: Network, disk: Disk, entry: FileEntry, old: FileEntry) -> bool:
    """Tell whether a difference to OLD led to the content."""
    part = disk.folder / (entry.sha256 + DELTA)  # a cut leaves it, to be gone on with
    path = f"{DELTAS}{old.sha256}/{entry.sha256}"
    try:
        before = disk.read(old.sha256, limits.MAX_FILE)
        if not download(network, path, part, delta.most_bytes(entry.bytes), exactly=False):
            return False
        disk.put(entry.sha256, delta.apply_delta(before, part.read_bytes(), entry.bytes))
        found = True
    except (BundleError, InstallError, WireError, ModuleNotFoundError):
        found = False  # damaged, too large, of something else, or no zstandard here: all of it is fetched
    part.unlink(missing_ok=True)
    return found


def _grown(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
