"""The file operations of a real process, recorded by strace: what the kernel was asked, in its order.

The process is the product as it is, on the SQLite that it uses everywhere; nothing of it is replaced. What
it stores through a memory map is not seen: of a log that is the index of the write-ahead log (`-shm`), which
SQLite makes anew after a failure of power, so that it is left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from stream.testing.disk import Cut, Link, Mark, Operation, Rename, Sync, SyncNames, Unlink, Write

_WATCHED = "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,fallocate,unlink,unlinkat,rename,openat"
_NAMING = ("openat", "unlink", "unlinkat", "rename")
_SYNCS = ("fsync", "fdatasync")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_OPENED = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
QUICK = ("-f", "--seccomp-bpf")  # only the calls that are watched stop the process
_IGNORED = "-shm"


def strace() -> str | None:
    """Return the path of strace, None if it is not installed or may not trace."""
    found = shutil.which("strace")
    if found is None or subprocess.run([found, "-qq", "-o", "/dev/null", "true"], check=False).returncode:  # noqa: S603
        return None
    return found


def record(command: Sequence[str], folder: Path, trace: Path) -> list[Operation]:
    """Run COMMAND; return what it did to the files of FOLDER and the lines it wrote to its output.

    TRACE: where the record of strace is kept; outside of FOLDER.
    """
    program = strace()
    assert program is not None, "expected strace, which tests ask for first"
    before = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    options = [*QUICK, "-y", "-xx", "-s", "100000000", "-e", f"trace={_WATCHED}", "-o", str(trace)]
    subprocess.run([program, *options, *command], check=True, stdout=subprocess.PIPE)  # noqa: S603 - our own
    with trace.open() as lines:
        return list(operations(lines, str(folder), before))


def operations(lines: Iterable[str], folder: str, before: Mapping[str, bytes]) -> Iterator[Operation]:
    """Yield the operations on files of FOLDER that LINES of strace tell; BEFORE: what it held then."""
    names = _Names(folder)
    for name, content in before.items():
        number = names.made(name)
        yield from (Link(name, number), Write(number, 0, content), Sync(number))
    yield SyncNames()
    for line in lines:
        if "<unfinished" in line or "resumed>" in line:
            raise ValueError(f"expected one thread to work on files, found two at a time: {line[:200]}")
        call = _CALL.match(line)
        if call is not None and not call[3].startswith("-"):
            yield from _told(call[1], call[2], names)


class _Names:
    """The files of a folder that exist, each with a number that no other ever had."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.numbers: dict[str, int] = {}
        self._count = 0

    def made(self, name: str) -> int:
        """Return the number of a new file."""
        self.numbers[name] = self._count
        self._count += 1
        return self.numbers[name]

    def short(self, path: str) -> str | None:
        """Return the name of the file at PATH, None if it is not one to watch."""
        name = path[len(self.folder) + 1 :] if path.startswith(f"{self.folder}/") else ""
        return name if name and not name.endswith(_IGNORED) else None


def _told(call: str, said: str, names: _Names) -> Iterator[Operation]:
    """Yield what one CALL did, with what strace SAID of its arguments."""
    texts = [_bytes(text) for text in _TEXT.findall(said)]
    opened = _OPENED.search(said)
    path = _bytes(opened[1]).decode() if opened else ""
    if call == "write" and said.startswith("1<"):
        yield from (Mark(text) for text in texts[0].decode().splitlines())
    elif call in _NAMING:
        yield from _named(call, said, [names.short(text.decode()) for text in texts], names)
    elif path == names.folder and call in _SYNCS:
        yield SyncNames()
    elif (name := names.short(path)) in names.numbers:
        yield _changed(call, said, texts, names.numbers[str(name)])


def _named(call: str, said: str, short: Sequence[str | None], names: _Names) -> Iterator[Operation]:
    match call, *short:
        case "rename", str(old), str(new):
            names.numbers[new] = names.numbers.pop(old)
            yield Rename(old, new)
        case (("unlink" | "unlinkat"), str(name)):
            del names.numbers[name]
            yield Unlink(name)
        case "openat", str(name) if "O_CREAT" in said and name not in names.numbers:
            yield Link(name, names.made(name))
        case "openat", str(name) if "O_TRUNC" in said:
            yield Cut(names.numbers[name], 0)


def _changed(call: str, said: str, texts: Sequence[bytes], file: int) -> Operation:
    last = said.rsplit(", ", 1)[-1]
    if call == "pwrite64":
        return Write(file, int(last), texts[0])
    if call == "ftruncate":
        return Cut(file, int(last))
    if call in _SYNCS:
        return Sync(file)
    raise ValueError(f"expected pwrite64 to a file of the log, found {call}({said[:200]})")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
