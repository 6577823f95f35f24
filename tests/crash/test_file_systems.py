"""A file system that is really full, or really read-only: one line, and nothing that was taken is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.device

PROCESS = Path(__file__).with_name("mounted.py")
OF_ITS_OWN = ("unshare", "--map-root-user", "--mount")


@cache
def _may_mount() -> bool:
    if shutil.which(OF_ITS_OWN[0]) is None:
        return False
    return not subprocess.run(
        [*OF_ITS_OWN, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_file_system(kind: str, tmp_path: Path) -> None:
    """See `mounted.py`, whose process may mount what no other one sees."""
    if not _may_mount():
        pytest.skip("the system lets nobody mount a file system of his own")
    command = [*OF_ITS_OWN, sys.executable, str(PROCESS), kind, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3_000:]
