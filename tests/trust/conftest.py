"""What the tests of trust are played on; it needs the extra agent, so it is imported where it is used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.trust.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a repository whose key `rank` signs for the task rank, with its server; no power is cut here."""
    from tests.trust.world import World

    monkeypatch.setattr(os, "fsync", lambda handle: None)
    made = World(tmp_path)
    yield made
    made.close()
