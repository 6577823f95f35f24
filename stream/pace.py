"""After how much work the engine tidies up: numbers that change what a query costs, never what it answers."""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """Bounds in rows; tests take small ones, so that short lives meet what long ones do."""

    least_trim: int = 512  # fewer are not worth moving the rest
    most_loose: int = 512  # of a key that stay as they came; with more, all are put into columns
    most_pending: int = 4096  # that wait for the next query
    least_marked: int = 256  # that entered a window without an end since its states were marked last
    most_unsaved: int = 4096  # of a key, since its states were saved in the log file
    most_taken: int = 65_536  # that came by another door: with more, reading the log anew costs less


PACE = Pace()
