"""A clock that tells the time it was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FakeClock:
    """Tell `ms` (int64 ms UTC) until it is set anew; it may go backwards, as real clocks do."""

    ms: int = 0

    def now_ms(self) -> int:
        """Return the time that was set."""
        return self.ms

    def set(self, ms: int) -> None:
        """Let it be MS from here on."""
        self.ms = ms

    def advance(self, ms: int) -> None:
        """Let MS pass; a negative number goes back."""
        self.ms += ms
