"""The power fails between any two writes: a repository and what a device believes are whole, old or new.

Every sync, rename and new folder of a change is a boundary. After each, the names of each folder may be there
or not in their order, and what was not synced is lost or torn (`stream.testing.disk`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from deploy.errors import TrustError
from deploy.trust.repository import Repository
from stream.testing.disk import Content, Disk, Link, Operation, Rename, Sync, SyncNames, Unlink, Write
from tests.trust.world import DAY_MS, KEYS, OFFLINE, ONLINE, World, held, manifest

TRIES = 2  # contents by chance, of each folder at each boundary


def _folder(name: str) -> str:
    """Return the folder that NAME stands in, "" for the top one."""
    return name.rpartition("/")[0]


class Recorder:
    """What was done to the files below TOP, as each system call finds it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.done: list[tuple[str, Operation]] = []  # by folder
        self._files: dict[str, tuple[int, bytes]] = {}
        self._count = 0
        self._look()
        for name in list(self._files):
            self.done.append((_folder(name), Sync(self._files[name][0])))
        for folder in {"", *(str(p.relative_to(top)) for p in top.rglob("*") if p.is_dir())}:
            self.done.append((folder, SyncNames()))
        self.begin = len(self.done)

    def _is_watched(self, path: Path) -> bool:
        """Tell whether PATH is below the top, and no copy that is made anew each time."""
        return path.is_relative_to(self.top) and not {".work", ".partial"} & set(path.parts)

    def _look(self) -> None:
        """Record what is new in files since the last call."""
        for path in sorted(filter(self._is_watched, self.top.rglob("*"))):
            name = str(path.relative_to(self.top))
            folder = _folder(name)
            if name in self._files and path.is_file() and self._files[name][1] == path.read_bytes():
                continue
            if name not in self._files:
                self._files[name] = (self._count, b"")
                self.done.append((folder, Link(path.name, self._count)))
                self._count += 1
            if path.is_file():
                number, content = self._files[name][0], path.read_bytes()
                self._files[name] = (number, content)
                self.done.append((folder, Write(number, 0, content)))

    @contextmanager
    def recording(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Record the calls that are made inside."""
        real = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}

        def fsync(handle: int) -> None:
            path = Path(f"/proc/self/fd/{handle}").readlink()
            if self._is_watched(path):
                self._look()
                name = str(path.relative_to(self.top))
                folder = "" if name == "." else name
                one = (folder, SyncNames()) if path.is_dir() else (_folder(name), Sync(self._files[name][0]))
                self.done.append(one)

        def replace(old: Path, new: Path) -> None:
            self._look()
            real["replace"](old, new)
            if self._is_watched(Path(new)):
                a, b = (str(Path(one).relative_to(self.top)) for one in (old, new))
                self._files[b] = self._files.pop(a)
                self.done.append((_folder(a), Rename(Path(a).name, Path(b).name)))

        def unlink(path: str | Path, **more: object) -> None:
            self._look()
            real["unlink"](path, **more)
            if isinstance(path, Path) and self._is_watched(path) and not more:
                name = str(Path(path).relative_to(self.top))
                del self._files[name]
                self.done.append((_folder(name), Unlink(Path(name).name)))

        with patch.context() as inner:
            inner.setattr(os, "fsync", fsync)
            inner.setattr(os, "replace", replace)
            inner.setattr(os, "unlink", unlink)
            yield
        self._look()

    def cuts(self, begin: int | None = None) -> Iterator[dict[str, Content]]:
        """Yield what the disk may hold at each boundary from BEGIN on: contents by folder."""
        disks: dict[str, Disk] = {}
        for number, (folder, one) in enumerate(self.done):
            disks.setdefault(folder, Disk()).take(one)
            if number + 1 < (self.begin if begin is None else begin):
                continue
            states = {name: list(disk.outcomes(Random(number), TRIES)) for name, disk in disks.items()}
            for place in range(max(map(len, states.values()))):
                yield {name: found[min(place, len(found) - 1)] for name, found in states.items()}


def restored(cut: dict[str, Content], top: Path) -> None:
    """Let TOP hold what is left after a CUT: folders whose own name was lost are not there."""
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(parents=True)
    for folder in sorted(cut):
        if folder and Path(folder).name not in cut.get(_folder(folder), {}):
            continue
        place = top / folder
        if place.is_file():
            place.unlink()
        place.mkdir(exist_ok=True)
        for name, content in cut[folder].items():
            (place / name).write_bytes(content)


Change = Callable[[Repository], object]
CHANGES: dict[str, Change] = {
    "publish": lambda r: r.publish("rank", manifest(words="new").to_json(), held("rank", *ONLINE)),
    "refresh": lambda r: r.refresh(held(*ONLINE)),
    "rotate root": lambda r: r.rotate("root", held(*OFFLINE, "root3"), remove=[KEYS["root3"].id]),
    "rotate targets": lambda r: r.rotate(
        "targets", held(*OFFLINE, *ONLINE, "rank2"), add=[KEYS["rank2"].public], remove=[KEYS["targets"].id]
    ),
    "rotate timestamp": lambda r: r.rotate(
        "timestamp",
        held(*OFFLINE, *ONLINE, "rank2"),
        add=[KEYS["rank2"].public],
        remove=[KEYS["timestamp"].id],
    ),
}


def distinct(recorder: Recorder) -> Iterator[dict[str, Content]]:
    """Yield the different contents of all cuts."""
    told = {repr(sorted((a, sorted(b.items())) for a, b in cut.items())): cut for cut in recorder.cuts()}
    yield from told.values()


@pytest.mark.parametrize("name", CHANGES)
def test_a_cut_leaves_a_repository_that_devices_believe(
    name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old or new at each boundary; where a new root came without the rest, the signer mends it."""
    one = world.publish("one")
    world.clock.advance(2 * DAY_MS)
    top = world.folder / "repository"
    recorder = Recorder(top)
    with recorder.recording(monkeypatch):
        CHANGES[name](world.repository)
    # Offline keys are home again by then.
    online = (*ONLINE, "rank2") if name == "rotate timestamp" else ONLINE
    mended = 0
    cuts = list(distinct(recorder))
    for number, cut in enumerate(cuts):
        restored(cut, top)
        device = world.device(f"{number}")
        try:
            assert device.manifest("rank", one).id == one
        except TrustError:
            mended += 1
        world.repository.refresh(held(*online))
        device.refresh()
        assert device.manifest("rank", one).id == one
        two = world.publish("two", "rank", *online)
        device.refresh()
        assert device.manifest("rank", two).id == two
    assert len(cuts) > 3
    assert (mended > 0) == name.startswith("rotate t")


def test_a_cut_never_brings_a_device_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on at each boundary; once a refresh has ended, what was before is refused for good."""
    world.publish("one")
    old = world.state()
    world.device().refresh()
    two = world.publish("two")
    world.repository.rotate("root", held(*OFFLINE, "root3"), remove=[KEYS["root3"].id])
    folder = world.folder / "ann"
    recorder = Recorder(folder)
    with recorder.recording(monkeypatch):
        assert world.device().manifest("rank", two).id == two
    cuts = list(distinct(recorder))
    assert len(cuts) > 20
    for cut in cuts:
        restored(cut, folder)
        assert world.device().manifest("rank", two).id == two
    world.serve(old)
    for end in recorder.cuts(len(recorder.done)):
        restored(end, folder)
        with pytest.raises(TrustError, match="version"):
            world.device().refresh()


def test_a_first_bundle_is_on_the_disk_once_it_is_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the folder that it made."""
    recorder = Recorder(world.folder / "repository")
    with recorder.recording(monkeypatch):
        one = world.publish("one")
    for end in recorder.cuts(len(recorder.done)):
        restored(end, world.folder / "repository")
        assert world.device().manifest("rank", one).id == one
