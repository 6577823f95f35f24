"""How slow an answer may be: bytes against time. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server may ask of a device's patience; in seconds and bytes."""

    connect_s: float = 15  # until there is a connection
    head_s: float = 30  # until the whole head of an answer is there, however it drips
    silence_s: float = 20  # without a byte
    window_s: float = 20  # in each window of this length
    least_bytes: int = 5_120  # at least so many arrive
    attempts: int = 5  # of one file, each going on where the one before was cut


class Meter:
    """Count the bytes of one answer in windows of time."""

    def __init__(self, bounds: Bounds, now_s: float) -> None:
        self._bounds, self._began, self._bytes = bounds, now_s, 0

    def took(self, size: int, now_s: float) -> bool:
        """Take SIZE more bytes at NOW_S; tell whether the answer is still fast enough."""
        self._bytes += size
        if now_s - self._began < self._bounds.window_s:
            return True
        fast = self._bytes >= self._bounds.least_bytes
        self._began, self._bytes = now_s, 0
        return fast
