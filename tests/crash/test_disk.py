"""The model of a disk allows what disks do, and nothing that a sync rules out."""

from __future__ import annotations

from random import Random

import pytest

from stream.testing.disk import (
    SECTOR,
    Content,
    Cut,
    Disk,
    Link,
    Operation,
    Rename,
    Sync,
    SyncNames,
    Unlink,
    Write,
)
from stream.testing.recording import operations

pytestmark = pytest.mark.device

MADE: list[Operation] = [Link("log", 0), Sync(0), SyncNames()]


def outcomes(*done: Operation, tries: int = 2_000) -> list[Content]:
    """Return what may be on the disk after the operations of DONE."""
    disk = Disk()
    for one in [*MADE, *done]:
        disk.take(one)
    return list(disk.outcomes(Random(1), tries))


def test_what_is_synced_is_certain() -> None:
    """After a sync of the file there is one outcome."""
    done = (Write(0, 0, b"a" * 700), Write(0, 10, b"b"), Cut(0, 600), Sync(0))
    assert {one["log"] for one in outcomes(*done)} == {b"a" * 10 + b"b" + b"a" * 589}


def test_a_sync_is_of_one_file() -> None:
    """Another file's sync makes nothing certain."""
    done = (Link("other", 1), SyncNames(), Write(0, 0, b"a"), Write(1, 0, b"b"), Sync(1))
    assert {(one["log"], one["other"]) for one in outcomes(*done)} == {(b"", b"b"), (b"a", b"b")}


def test_writes_without_a_sync_are_lost_kept_or_torn_by_sectors() -> None:
    """Each sector is new or as it was, and every mixture of two writes is tried."""
    first = (Write(0, 0, b"a" * 2 * SECTOR), Sync(0))
    found = {
        one["log"] for one in outcomes(*first, Write(0, 0, b"b" * 2 * SECTOR), Write(0, 0, b"c" * 2 * SECTOR))
    }
    assert {(one[:1] + one[SECTOR : SECTOR + 1]).decode() for one in found} == {
        a + b for a in "abc" for b in "abc"
    }
    assert all(one[:SECTOR] == one[:1] * SECTOR for one in found)


def test_a_write_beyond_the_end_may_leave_zeros_before_it() -> None:
    """Where the later of two writes is there and the earlier is not, its room reads as zeros."""
    found = {one["log"] for one in outcomes(Write(0, 0, b"a" * SECTOR), Write(0, SECTOR, b"b"))}
    assert found == {b"", b"a" * SECTOR, b"a" * SECTOR + b"b", bytes(SECTOR) + b"b"}


def test_names_come_and_go_in_their_order() -> None:
    """Until the folder is synced, the first few changes of names are there."""
    done = (Write(0, 0, b"a"), Sync(0), Link("new", 1), Rename("new", "newer"), Unlink("log"))
    found = {tuple(sorted(one)) for one in outcomes(*done)}
    assert found <= {("log",), ("log", "new"), ("log", "newer"), ("newer",)}
    assert {("log",), ("newer",)} <= found
    assert {tuple(one) for one in outcomes(*done, SyncNames())} == {("newer",)}


def test_what_strace_tells_is_read() -> None:
    """Calls on files of the folder become operations; others, failed ones and reads do not."""

    def hexed(text: str) -> str:
        return "".join(f"\\x{byte:02x}" for byte in text.encode())

    folder = "/d"
    log, shm = hexed("/d/log"), hexed("/d/log-shm")
    lines = [
        f'7 openat(AT_FDCWD<{hexed("/")}>, "{log}", O_RDWR|O_CREAT, 0644) = 3<{log}>',
        f'7 openat(AT_FDCWD<{hexed("/")}>, "{log}", O_RDWR|O_CREAT, 0644) = 5<{log}>',
        f'7 openat(AT_FDCWD<{hexed("/")}>, "{shm}", O_RDWR|O_CREAT, 0644) = 4<{shm}>',
        f'7 pwrite64(3<{log}>, "{hexed("abc")}", 3, 9) = 3',
        f'7 pwrite64(3<{log}>, "{hexed("abc")}", 3, 9) = -1 ENOSPC (No space left on device)',
        f'7 pwrite64(4<{shm}>, "{hexed("abc")}", 3, 9) = 3',
        f'7 write(1<{hexed("pipe:[1]")}>, "{hexed("done 1")}\\x0a", 7) = 7',
        f"7 fdatasync(3<{log}>) = 0",
        f"7 ftruncate(3<{log}>, 2) = 0",
        f"7 fsync(6<{hexed(folder)}>) = 0",
        f'7 unlink("{log}") = 0',
        "7 +++ exited with 0 +++",
    ]
    found = list(operations(lines, folder, {"old": b"x"}))
    assert [repr(one).partition("(")[0] for one in found[:4]] == ["Link", "Write", "Sync", "SyncNames"]
    assert [repr(one) for one in found[4:]] == [
        "Link(name='log', file=1)",
        "Write(file=1, offset=9, data=b'abc')",
        "Mark(text='done 1')",
        "Sync(file=1)",
        "Cut(file=1, size=2)",
        "SyncNames()",
        "Unlink(name='log')",
    ]


def test_work_on_files_by_two_threads_is_refused() -> None:
    """What cannot be put in an order is told, and not taken for one."""
    with pytest.raises(ValueError, match="one thread"):
        list(operations(["7 fdatasync(3</d/log> <unfinished ...>"], "/d", {}))
