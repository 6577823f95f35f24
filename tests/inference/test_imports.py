"""What importing and loading pull in: a device has no build tools and pays for what it uses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that CODE loads in a fresh interpreter."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(run.stdout.split())


@pytest.mark.device
def test_importing_inference_is_cheap() -> None:
    """No model runtime, no build tool, no event log is loaded by `import inference`."""
    heavy = {"onnx", "onnxruntime", "pyarrow", "networkx", "stream", "sqlite3", "lz4", "rich", "typer"}
    assert modules_after("import inference") & heavy == set()


def test_loading_a_package_needs_no_build_tool(make: Callable[..., Path]) -> None:
    """A package is loaded, checked and run with the model runtime alone."""
    loaded = modules_after(f"import inference; inference.Session(inference.load({str(make())!r}))")
    assert "onnxruntime" in loaded
    assert loaded & {"onnx", "pyarrow", "networkx", "stream"} == set()
