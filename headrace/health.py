"""Whether this machine can run headrace: what was found and, where it is not well, how to mend it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from headrace import __version__
from headrace.console import show_bytes
from headrace.errors import PACKAGES, UsageError

PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 37, 0)  # STRICT tables
DISK_WARN, DISK_FAIL = 256 << 20, 16 << 20  # bytes
CLOCK_MIN, CLOCK_MAX = datetime(2026, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
USER_EXTRAS = ("replay", "kafka", "build", "agent", "service")
_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?(?P<range>[^;]*)(?:;.*extra == ['\"](?P<extra>\w+)['\"])?"
)


class Verdict(StrEnum):
    """How a check ended; only FAIL makes the doctor fail."""

    OK = "ok"
    ABSENT = "absent"  # an extra that is not installed, which is no fault
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it is, what was found, and the next step if there is one."""

    name: str
    verdict: Verdict
    found: str
    mend: str = ""


def failed(checks: Sequence[Check]) -> bool:
    """Tell whether one of CHECKS failed."""
    return any(check.verdict is Verdict.FAIL for check in checks)


def examine(folder: Path) -> list[Check]:
    """Look at this machine; logs would be written to FOLDER. Raise UsageError if there is no such folder."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder, found none: {folder}; name one that exists")
    requires = importlib.metadata.requires("headrace") if _installed("headrace") else None
    return [
        Check("headrace", Verdict.OK, f"{__version__} in {Path(__file__).parent.parent}"),
        Check("machine", Verdict.OK, f"{platform.platform()}, {os.cpu_count()} cores"),
        python(sys.version_info[:3], sys.maxsize),
        *packages(requires),
        *extras(requires or ()),
        *names(importlib.metadata.packages_distributions()),
        clock(datetime.now(UTC), time.get_clock_info("time").resolution),
        *disk(folder),
    ]


def python(version: tuple[int, ...], max_int: int) -> Check:
    """Judge the interpreter by its VERSION and its largest index."""
    found = f"{_dotted(version)}, {'64' if max_int > 2**32 else '32'} bit"
    if version[:2] < PYTHON_MIN or max_int <= 2**32:
        return Check("python", Verdict.FAIL, found, f"install a 64 bit Python {_dotted(PYTHON_MIN)} or newer")
    return Check("python", Verdict.OK, found)


def packages(requires: Sequence[str] | None) -> Iterator[Check]:
    """Judge each package of the base install by the ranges of REQUIRES, None when not installed."""
    if requires is None:
        yield Check("install", Verdict.WARN, "run from a folder, not installed", "pip install headrace")
        return
    for name, limits in _requirements(requires, None):
        yield package(name, limits)


def package(name: str, limits: str) -> Check:
    """Import the package NAME and compare its version with LIMITS, such as ">=1.2,<2"."""
    try:
        version = importlib.metadata.version(name)
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a native library fails to load in many ways, all of them findings
        found = f"{type(error).__name__}: {error}".splitlines()[0]
        return Check(name, Verdict.FAIL, found, f"pip install --force-reinstall '{name}{limits}'")
    if not within(version, limits):
        return Check(name, Verdict.FAIL, f"{version}, expected {limits}", f"pip install '{name}{limits}'")
    return Check(name, Verdict.OK, version)


def extras(requires: Sequence[str]) -> Iterator[Check]:
    """Say for each extra whether its packages of REQUIRES are here; import none of them."""
    for extra in USER_EXTRAS:
        needed = list(_requirements(requires, extra))
        here = [f"{name} {importlib.metadata.version(name)}" for name, _ in needed if _installed(name)]
        if needed and len(here) == len(needed):
            yield Check(f"extra {extra}", Verdict.OK, ", ".join(here))
        elif needed:
            missing = ", ".join(name for name, _ in needed if not _installed(name))
            mend = f"pip install 'headrace[{extra}]'"
            yield Check(f"extra {extra}", Verdict.ABSENT, f"without {missing}", mend)


def names(distributions: Mapping[str, Sequence[str]]) -> list[Check]:
    """Look for a second owner of our top-level names, in DISTRIBUTIONS and on the import path."""
    troubles = [trouble for name in PACKAGES if (trouble := _name(name, distributions.get(name, ())))]
    return troubles or [Check("top-level names", Verdict.OK, f"{', '.join(PACKAGES)}: one owner")]


def _name(name: str, owners: Sequence[str]) -> Check | None:
    if others := sorted(set(owners) - {"headrace"}):
        found, mend = f"also owned by {', '.join(others)}", f"pip uninstall {' '.join(others)}"
        return Check(f"name {name}", Verdict.FAIL, found, f"{mend}, or use another environment")
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return Check(f"name {name}", Verdict.FAIL, "not found", "pip install --force-reinstall headrace")
    if Path(spec.origin).parent.parent != Path(__file__).parent.parent:
        return Check(f"name {name}", Verdict.FAIL, f"taken by {spec.origin}", "rename it or leave its folder")
    return None


def clock(now: datetime, resolution_s: float) -> Check:
    """Judge the system clock by NOW and its RESOLUTION_S: events carry milliseconds."""
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC, resolution {resolution_s:g} s"
    if not CLOCK_MIN <= now < CLOCK_MAX:
        return Check("clock", Verdict.FAIL, found, f"set it: expected {CLOCK_MIN:%Y} to {CLOCK_MAX:%Y}")
    if resolution_s > 0.001:
        return Check("clock", Verdict.WARN, found, "expected 1 ms or finer: windows end on its ticks")
    return Check("clock", Verdict.OK, found)


def disk(folder: Path) -> Iterator[Check]:
    """Write to FOLDER, look at its free space, and keep an SQLite file in WAL mode there."""
    where = f"folder {folder.resolve()}"
    try:
        with tempfile.TemporaryDirectory(prefix=".headrace-doctor-", dir=folder) as scratch:
            yield Check(where, Verdict.OK, "writable")
            yield space(shutil.disk_usage(folder).free)
            yield sqlite(Path(scratch) / "log.db", sqlite3.sqlite_version_info)
    except OSError as error:
        yield Check(where, Verdict.FAIL, error.strerror or str(error), "choose another or change its rights")


def space(free: int) -> Check:
    """Judge the FREE bytes of a disk."""
    verdict = Verdict.FAIL if free < DISK_FAIL else Verdict.WARN if free < DISK_WARN else Verdict.OK
    mend = "" if verdict is Verdict.OK else f"free some: expected {show_bytes(DISK_WARN)} or more"
    return Check("free space", verdict, show_bytes(free), mend)


def sqlite(file: Path, version: tuple[int, ...]) -> Check:
    """Judge SQLite by its VERSION and by whether a new database FILE takes write-ahead logging."""
    found = _dotted(version)
    if version < SQLITE_MIN:
        return Check("sqlite", Verdict.FAIL, found, f"use a Python with SQLite >= {_dotted(SQLITE_MIN)}")
    try:
        with closing(sqlite3.connect(file)) as db:
            mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            db.execute("CREATE TABLE t (x INTEGER) STRICT")
            db.commit()
    except sqlite3.Error as error:
        return Check("sqlite", Verdict.FAIL, f"{found}, {error}", "choose a folder on a local disk")
    if mode != "wal":
        mend = "choose a folder on a local disk: WAL needs shared memory"
        return Check("sqlite", Verdict.FAIL, f"{found}, journal {mode}", mend)
    return Check("sqlite", Verdict.OK, f"{found}, WAL works")


def within(version: str, limits: str) -> bool:
    """Tell whether VERSION lies in LIMITS, a list of >= and < of numbers; others are taken as met."""
    have = _numbers(version)
    bounds = [(sign, _numbers(bound)) for sign, bound in re.findall(r"(>=|<)\s*([\d.]+)", limits)]
    return all(have >= bound if sign == ">=" else have < bound for sign, bound in bounds)


def _requirements(requires: Sequence[str], extra: str | None) -> Iterator[tuple[str, str]]:
    for text in requires:
        match = _REQUIREMENT.match(text)
        if match and match["extra"] == extra and match["name"] != "headrace":
            yield match["name"], match["range"].strip()


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in re.findall(r"\d+", re.split(r"[a-z+-]", version, maxsplit=1)[0])]
    while parts and parts[-1] == 0:  # 2.0 and 2 are one version
        parts.pop()
    return tuple(parts)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
