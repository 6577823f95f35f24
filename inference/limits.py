"""Named bounds for everything that a package brings from outside."""

from __future__ import annotations

from dataclasses import dataclass

MAX_NAME = 256  # characters of a tensor's or a feature's name
MAX_INPUTS = 1024
MAX_OUTPUTS = 64
MAX_SOURCES = 4096  # features stacked in one tensor
MAX_RANK = 4
MAX_ELEMENTS = 1 << 24  # of one tensor, one candidate counted
MAX_LENGTH = 100_000  # of a sequence
MAX_TEXT = 16 << 10  # characters of one meta value


@dataclass(frozen=True, slots=True)
class Limits:
    """What a package may hold at most; sizes in bytes."""

    manifest: int = 256 << 10
    contract: int = 4 << 20
    graph: int = 16 << 20
    golden: int = 16 << 20
    model: int = 512 << 20
    golden_cases: int = 64


DEFAULT = Limits()
