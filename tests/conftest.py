"""What every test may use, and the two ways in which the suite is narrowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# ci: the same examples every time, so that a red run means a change; dev: new examples at every run.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --device: what a device must pass on the base install alone."""
    help = "collect only the modules marked device; the others are not even imported"
    parser.addoption("--device", action="store_true", help=help)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --device, leave out test modules without the mark: they may import what a device lacks."""
    if not config.getoption("--device") or collection_path.suffix != ".py":
        return None
    return "pytest.mark.device" not in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --device, keep only the tests marked device."""
    if config.getoption("--device"):
        dropped = [item for item in items if item.get_closest_marker("device") is None]
        items[:] = [item for item in items if item.get_closest_marker("device") is not None]
        config.hook.pytest_deselected(items=dropped)


@pytest.fixture(scope="session", autouse=True)
def no_width() -> Iterator[None]:
    """Let the commands' output have no edge: a runner with workers tells them the width of its terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="session")
def logs() -> Path:
    """Return the folder of the internal logs; skip where none is named, fail where it is missing."""
    named = os.environ.get("HEADRACE_DATA")
    if not named:
        pytest.skip("HEADRACE_DATA is not set: the internal logs are not part of the repository")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"expected the folder of HEADRACE_DATA, found none: {folder}; correct or unset it")
    return folder
