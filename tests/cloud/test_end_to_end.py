"""Publisher, trust, service and device as they are: each in its process, over HTTP, with real keys.

The commands are those of docs/how-to/release-to-a-fleet.md, one after another.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import headrace

RETAIL = Path(headrace.__file__).parent / "retail/package"
PAGE = Path(__file__).parents[2] / "docs/how-to/release-to-a-fleet.md"
SHIM = f'#!/bin/sh\nexec "{sys.executable}" -m headrace "$@"\n'
WAIT = "trap 'kill $!' EXIT; until (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null; do sleep 0.1; done"
REST = """
HEADRACE_TOKEN=$releaser headrace halt november
HEADRACE_TOKEN=$fleet headrace agent check device --device anns-phone --json > after.json
trap - EXIT
kill $!
wait $! || true
"""


def commands(port: int) -> str:
    """Return the page's commands, and those that halt what they released."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    told = (
        "\n".join(line.strip() for block in blocks for line in block.strip().splitlines()) + " > before.json"
    )
    service = "export HEADRACE_SERVICE"
    assert told.count(service) == 1
    return (told.replace(service, f"{WAIT}\n{service}") + REST).replace("8000", str(port))


@contextmanager
def shell(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give bash that runs SCRIPT in FOLDER; what it left running ends with the block."""
    env = {**os.environ, "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}"}
    argv = ["bash", "-euo", "pipefail", "-c", script]
    process = subprocess.Popen(
        argv, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        with process:
            yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.checkout
def test_from_an_empty_folder_to_a_device_and_back(tmp_path: Path) -> None:
    """Ceremony, service, publish, release: a real agent installs and runs it, and stops at a halt."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/headrace").write_text(SHIM, "utf-8")
    (tmp_path / "bin/headrace").chmod(0o755)
    work = tmp_path / "work"
    shutil.copytree(RETAIL, work / "rank/model")
    (work / "rank/task.toml").write_text('name = "retail-rank"\n', "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with shell(commands(port), work) as process:
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    before, after = (json.loads((work / name).read_bytes()) for name in ("before.json", "after.json"))
    assert before["tasks"]["retail-rank"]["active"]["release"] == "november"
    assert not after["tasks"].get("retail-rank", {}).get("active")
