"""How long the engine puts work off: a matter of speed, never of values."""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """Numbers of rows, each a balance of two costs; small ones bring to a short life what long ones meet."""

    least_trim: int = 512  # that can go from a track; fewer are not worth moving the rest
    most_pending: int = 4096  # that wait for the next query
    most_taken: int = 65_536  # that came by another door: with more, reading the log anew costs less


PACE = Pace()
