"""What a measurement was taken on: the machine, the versions, and how busy it was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace import __version__

_LIBRARIES = ("numpy", "lz4", "msgspec", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that stand with a figure; what the system does not tell is None."""

    cpu: str
    cores: int
    memory_bytes: int | None
    system: str
    versions: dict[str, str]
    load: tuple[float, float, float] | None  # the load averages of 1, 5 and 15 minutes, before measuring


def look(more: Sequence[str] = ()) -> Machine:
    """Look at this machine as it is now; MORE libraries than the base ones take part in what is measured."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory(),
        system=f"{platform.system()} {platform.machine()}",
        versions=_versions(more),
        load=os.getloadavg() if hasattr(os, "getloadavg") else None,
    )


def _cpu() -> str:
    """Return the processor's name as the system tells it: Linux in a file, macOS by a command."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
        if told.returncode == 0:
            return told.stdout.strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _versions(more: Sequence[str]) -> dict[str, str]:
    found = {
        "headrace": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "sqlite": sqlite3.sqlite_version,
    }
    for name in (*_LIBRARIES, *more):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # doctor says what is missing
    return found
