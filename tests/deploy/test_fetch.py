"""All bytes of a release come over a network that cuts off, lies and hands out differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.device.disk import Disk, is_runnable
from deploy.device.fetch import fetch
from deploy.errors import BundleError, InstallError, NetworkError, TrustError, WireError
from deploy.testing.shelf import Shelf, entry, noise, sparse
from deploy.wire.assignment import Assigned
from deploy.wire.check import BLOBS, DELTAS
from deploy.wire.delta import apply_delta, make_delta

MODEL = noise(1, 100_000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Give a device's folder."""
    disk = Disk(tmp_path / "device")
    yield disk
    disk.close()


@pytest.fixture
def shelf() -> Shelf:
    """Give a service."""
    return Shelf()


def size_of(shelf: Shelf, wanted: Assigned) -> int:
    """Return the bytes of all contents of WANTED."""
    return sum(shelf.manifests[wanted.bundle].blobs.values())


def test_all_of_a_release_comes(disk: Disk, shelf: Shelf) -> None:
    """What a release needs is there afterwards, its device's own files too, and nothing came twice."""
    wanted = shelf.release("first", MODEL, own=b"mine")
    assert not is_runnable(disk, wanted)
    fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert is_runnable(disk, wanted)
    assert shelf.sent == size_of(shelf, wanted) + 4
    fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert shelf.sent == size_of(shelf, wanted) + 4


@pytest.mark.parametrize("ranges", [True, False])
def test_four_cuts_cost_next_to_nothing(disk: Disk, shelf: Shelf, ranges: bool) -> None:
    """A transfer goes on where it was cut; without ranges at the service it begins anew, and is right too."""
    wanted = shelf.release("first", MODEL)
    size = len(MODEL)
    shelf.ranges = ranges
    for path in list(shelf.contents):
        if shelf.contents[path] != MODEL:  # fetched first, so that the cuts fall into the model
            with shelf.ask(path) as reply:
                disk.put(path.removeprefix(BLOBS), b"".join(reply.chunks))
    shelf.sent = 0
    shelf.cuts = [size // 5, size // 5, 1, size // 3]
    fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert is_runnable(disk, wanted)
    assert (shelf.sent <= 1.05 * size) == ranges


def test_a_cut_in_every_place_is_gone_on_from(disk: Disk, shelf: Shelf) -> None:
    """However often the network is gone, each call goes on, and the last one ends."""
    wanted = shelf.release("first", noise(2, 20_000))
    shelf.cuts = [777] * 60
    failed = 0
    while failed < 30:
        try:
            fetch(shelf, disk, shelf.vouch, "rank", wanted)
        except NetworkError:
            failed += 1
        else:
            break
    assert 1 < failed < 30
    assert is_runnable(disk, wanted)
    assert shelf.sent <= 1.05 * size_of(shelf, wanted)


def test_a_network_that_brings_nothing_is_left_alone(disk: Disk, shelf: Shelf) -> None:
    """Three answers without a byte, and whoever calls is to wait."""
    wanted = shelf.release("first", MODEL)
    shelf.cuts = [0] * 100
    with pytest.raises(NetworkError):
        fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert len(shelf.asked) == 3


# ---------------------------------------------------------------- differences


def test_a_sparse_update_is_a_small_difference(disk: Disk, shelf: Shelf) -> None:
    """Of a model of which a hundredth of the rows changed, a tenth at most is sent.

    `benchmarks/updates.py` measures 3 MB.
    """
    pytest.importorskip("zstandard", reason="the extra agent is not installed")
    old = noise(3, 400_000)
    new = sparse(old, 0.01)
    first, second = shelf.release("first", old), shelf.release("second", new)
    fetch(shelf, disk, shelf.vouch, "rank", first)
    shelf.delta(old, new)
    shelf.sent, shelf.cuts = 0, [3_000, 2_000]
    fetch(shelf, disk, shelf.vouch, "rank", second, held=[first])
    assert is_runnable(disk, second)
    assert shelf.sent < 0.1 * len(new)


Lie = Callable[[Shelf, str, bytes], None]
LIES: dict[str, Lie] = {
    "damaged": lambda shelf, path, made: shelf.contents.update({path: made[:-40] + bytes(40)}),
    "cut short": lambda shelf, path, made: shelf.contents.update({path: made[: len(made) // 2]}),
    "no delta": lambda shelf, path, made: shelf.contents.update({path: b"nothing"}),
    "of another content": lambda shelf, path, made: shelf.contents.update(
        {path: make_delta(MODEL, sparse(MODEL, 0.02, 9)) or b""}
    ),
    "too large": lambda shelf, path, made: shelf.contents.update({path: made + bytes(len(MODEL))}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_difference_that_leads_elsewhere_is_not_believed(disk: Disk, shelf: Shelf, lie: str) -> None:
    """All of the content is fetched instead, and nothing of the attempt is left."""
    pytest.importorskip("zstandard", reason="the extra agent is not installed")
    new = sparse(MODEL, 0.02)
    first, second = shelf.release("first", MODEL), shelf.release("second", new)
    fetch(shelf, disk, shelf.vouch, "rank", first)
    shelf.delta(MODEL, new)
    path = next(path for path in shelf.contents if path.startswith(DELTAS))
    LIES[lie](shelf, path, shelf.contents[path])
    fetch(shelf, disk, shelf.vouch, "rank", second, held=[first])
    assert is_runnable(disk, second)
    assert not list(disk.folder.glob("*.*t*a"))[2:]
    assert {file.suffix for file in disk.folder.iterdir()} == {"", ".a", ".b"}


def test_a_difference_makes_no_more_than_was_said() -> None:
    """A few bytes that unpack to a gigabyte are refused at the size of the content."""
    pytest.importorskip("zstandard", reason="the extra agent is not installed")
    bomb = make_delta(b"x", bytes(6 << 20))
    assert bomb is not None
    assert len(bomb) < 10_000

    with pytest.raises(WireError, match="expected 5000 bytes, found 5001 or more"):
        apply_delta(b"x", bomb, 5_000)


def test_what_shares_nothing_has_no_difference() -> None:
    """Above 70 % of the full size none is offered."""
    pytest.importorskip("zstandard", reason="the extra agent is not installed")
    assert make_delta(MODEL, noise(8, 100_000)) is None
    assert make_delta(b"", MODEL) is None
    assert make_delta(MODEL, b"small") is None


# ---------------------------------------------------------------- what is refused


def test_bytes_that_are_not_vouched_for_are_thrown_away(disk: Disk, shelf: Shelf) -> None:
    """Whatever the service sends in a content's place, of the same length, is found out and gone."""
    wanted = shelf.release("first", MODEL)
    shelf.contents[BLOBS + entry(MODEL).sha256] = noise(9, len(MODEL))
    with pytest.raises(BundleError, match="expected that hash") as refused:
        fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert "\n" not in str(refused.value)
    assert not is_runnable(disk, wanted)
    assert not disk.part(entry(MODEL).sha256).exists()
    shelf.contents[BLOBS + entry(MODEL).sha256] = MODEL
    fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert is_runnable(disk, wanted)


def test_an_answer_without_an_end_is_left(disk: Disk, shelf: Shelf) -> None:
    """A content that is longer than its manifest says is read no further than that."""
    wanted = shelf.release("first", MODEL)
    shelf.contents[BLOBS + entry(MODEL).sha256] = MODEL + noise(9, 1 << 20)
    with pytest.raises(InstallError, match="expected at most 100000 bytes, found more"):
        fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert shelf.sent < 120_000
    assert disk.used < 120_000


def test_what_nobody_signed_is_not_asked_for(disk: Disk, shelf: Shelf) -> None:
    """A bundle that its publishers do not vouch for costs no byte."""
    with pytest.raises(TrustError):
        fetch(shelf, disk, shelf.vouch, "rank", Assigned("forged", "f" * 64, "0" * 64))
    assert shelf.asked == []


def test_a_bundle_of_another_task_or_graph_is_refused(disk: Disk, shelf: Shelf) -> None:
    """What is signed for one task runs for no other, and on no other graph."""
    wanted = shelf.release("first", MODEL)
    with pytest.raises(InstallError, match="expected the task ads, found rank"):
        fetch(shelf, disk, shelf.vouch, "ads", wanted)
    with pytest.raises(InstallError, match="expected the graph"):
        fetch(shelf, disk, shelf.vouch, "rank", Assigned("first", wanted.bundle, "9" * 64))


def test_a_device_has_files_of_its_own_as_the_slots_say(disk: Disk, shelf: Shelf) -> None:
    """A required file that is missing, one without a slot and one too large are refused before any byte."""
    wanted = shelf.release("first", MODEL, own=b"mine")
    large = {"data/own": entry(bytes(2 << 20))}
    for own in ({}, {"data/other": entry(b"x")}, large):
        with pytest.raises(InstallError, match="expected"):
            fetch(shelf, disk, shelf.vouch, "rank", Assigned("first", wanted.bundle, wanted.graph_id, own))
    assert shelf.asked == []


def test_a_quota_is_kept(tmp_path: Path, shelf: Shelf) -> None:
    """A release that has no room is refused before any byte; with another one gone it has."""
    disk = Disk(tmp_path, quota_bytes=150_000)
    first, second = shelf.release("first", MODEL), shelf.release("second", noise(5, 100_000))
    fetch(shelf, disk, shelf.vouch, "rank", first)
    asked = len(shelf.asked)
    with pytest.raises(InstallError, match="in a quota of 150000"):
        fetch(shelf, disk, shelf.vouch, "rank", second)
    assert len(shelf.asked) == asked
    fetch(shelf, disk, shelf.vouch, "rank", second, keep=[])
    assert is_runnable(disk, second)
    disk.close()


def test_a_damaged_content_is_fetched_again(disk: Disk, shelf: Shelf) -> None:
    """What was there and rotted is found by its hash."""
    wanted = shelf.release("first", MODEL)
    fetch(shelf, disk, shelf.vouch, "rank", wanted)
    path = disk.folder / entry(MODEL).sha256
    path.write_bytes(b"\0" + MODEL[1:])
    assert not is_runnable(disk, wanted)
    fetch(shelf, disk, shelf.vouch, "rank", wanted)
    assert is_runnable(disk, wanted)
