"""A device's folder: one agent at a time, and what it knows in two copies of which one is whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.device.copies import NAMES
from deploy.device.disk import Disk
from deploy.device.fetch import fetch
from deploy.device.kept import Kept, Task
from deploy.errors import BundleError, InstallError
from deploy.testing.shelf import Shelf, entry, noise
from deploy.wire.assignment import Assigned

pytestmark = pytest.mark.device

KEPT = Kept(7, {"rank": Task(Assigned("first", "a" * 64, "0" * 64), confirmed=False, tries=1)})


def saved(folder: Path, *those: Kept) -> None:
    """Save THOSE, one after the other."""
    disk = Disk(folder)
    for kept in those:
        disk.save(kept)
    disk.close()


def read(folder: Path) -> tuple[Kept, str | None]:
    """Return what FOLDER keeps, and what was wrong."""
    disk = Disk(folder)
    disk.close()
    return disk.kept, disk.damage


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    """The last thing that was saved is what a device knows, large or small."""
    assert read(tmp_path / "new") == (Kept(), None)
    large = Kept(9, {f"task-{n}": Task(KEPT.tasks["rank"].active) for n in range(700)})
    for last in (KEPT, large, KEPT):
        saved(tmp_path, large, last)
        assert read(tmp_path) == (last, None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "zeros"])
def test_one_damaged_copy_is_named_and_mended(tmp_path: Path, name: str, damage: str) -> None:
    """Nothing is lost with one copy, whichever it is, and the line says which."""
    saved(tmp_path, Kept(6), KEPT)
    path = tmp_path / name
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[90] ^= 1
    path.write_bytes(
        {"flipped": bytes(flipped), "cut": content[:100], "empty": b"", "zeros": bytes(500)}[damage]
    )
    kept, said = read(tmp_path)
    assert kept == KEPT
    assert said is not None
    assert said.startswith(f"{path}: expected a whole state, found a damaged one")
    assert "\n" not in said
    assert read(tmp_path) == (KEPT, None)


def test_two_damaged_copies_are_refused(tmp_path: Path) -> None:
    """Nobody guesses what a device ran: one line names both files."""
    saved(tmp_path, KEPT)
    for name in NAMES:
        (tmp_path / name).write_bytes(b"headrace state 1\n")
    with pytest.raises(InstallError, match="remove both files to begin anew") as refused:
        Disk(tmp_path)
    assert all(name in str(refused.value) for name in NAMES)
    assert "\n" not in str(refused.value)


def test_a_state_of_another_form_is_refused_as_damage(tmp_path: Path) -> None:
    """Whole bytes that say nothing, such as of a later version, are told with the reason."""
    from deploy.device.copies import _record

    saved(tmp_path, KEPT)
    (tmp_path / NAMES[0]).write_bytes(_record(99, b'{"format":2}'))
    kept, said = read(tmp_path)
    assert kept == KEPT
    assert "Invalid enum value" in str(said)


def test_two_agents_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second is refused, in this process and in another; after the first ended it is let in."""
    disk = Disk(tmp_path)
    with pytest.raises(InstallError, match="expected no other agent"):
        Disk(tmp_path)
    code = (
        "import sys; from pathlib import Path; from deploy.device.disk import Disk; Disk(Path(sys.argv[1]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "expected no other agent" in run.stderr
    disk.close()
    read(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file in its place is told in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallError, match="expected a folder to write in"):
        Disk(tmp_path / "file")


def test_a_full_disk_still_takes_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file may grow, going back to the release before can still be noted."""
    disk = Disk(tmp_path)
    write = os.pwrite

    def full(handle: int, content: bytes, at: int) -> int:
        if at + len(content) > os.fstat(handle).st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, content, at)

    monkeypatch.setattr(os, "pwrite", full)
    disk.save(KEPT)
    with pytest.raises(OSError, match="No space left"):
        disk.put("0" * 64, b"x")
    disk.close()
    assert read(tmp_path)[0] == KEPT


def test_two_releases_are_kept(tmp_path: Path) -> None:
    """What no release needs goes, parts of what nobody wants any more too; the rest stays."""
    shelf, disk = Shelf(), Disk(tmp_path)
    releases = [shelf.release(name, noise(n, 9_000)) for n, name in enumerate("abc")]
    for one in releases:
        fetch(shelf, disk, shelf.vouch, "rank", one)
    wanted, unwanted = "1" * 64, "2" * 64
    for sha256 in (wanted, unwanted):
        disk.part(sha256).write_bytes(b"some")
    assert disk.collect(releases[1:], [wanted]) == 7
    assert not disk.holds(entry(noise(0, 9_000)).sha256)
    for one in releases[1:]:
        disk.bundle(one.bundle).verify()
    with pytest.raises(BundleError, match="expected it on this device"):
        disk.bundle(releases[0].bundle)
    assert disk.part(wanted).exists()
    assert not disk.part(unwanted).exists()
    assert {path.name for path in tmp_path.iterdir()} > {"lock", *NAMES}
    disk.close()
