"""From one process to the next: states saved in the log file, and taken up again with what came since."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from stream.binding import Binding
from stream.errors import LogError
from stream.follower import Follower
from stream.key_cache import KeyCache
from stream.key_state import KeyState
from stream.log import EventLog
from stream.pace import Pace
from stream.reads import arrivals, arrived_until
from stream.snapshot import FORMAT, Snapshot, pack, unpack


def save(log: EventLog, key: str, kept: KeyCache, whole: Binding, follower: Follower) -> None:
    """Save what is KEPT of KEY as FOLLOWER stands, if all of WHOLE is in states and LOG can be written."""
    kept.unsaved = 0
    if not isinstance(kept, KeyState) or kept.binding is not whole or kept.stale or log.read_only:
        return
    if whole.looks_up:  # by the next start a table may be another version
        return
    if cells := kept.saved():
        found = Snapshot(FORMAT, follower.generation, follower.cursor, kept.t, cells)
        with suppress(LogError, UnicodeEncodeError):
            log.keep_snapshot(key, pack(found))


def resumed(
    log: EventLog, key: str, t: int, new: Callable[[int], KeyState], follower: Follower, pace: Pace
) -> KeyState | None:
    """Return what was saved of KEY with what arrived since; None where nothing was, or it does not hold at T.

    new: gives room for a key from a time on.
    """
    data = log.snapshot_of(key)
    if data is None:
        return None
    try:
        saved = unpack(data)
        since = follower.cursor - saved.last_id
        if saved.generation != follower.generation or saved.t > t or not 0 <= since <= pace.most_taken:
            return None
        kept = new(saved.t)
        kept.resume(saved, arrived_until(log, key, saved.last_id, all_of_them=not since))
        for found in arrivals(log, saved.last_id, follower.cursor, pace.most_pending):
            kept.push([row for row in found if row.key == key])
    except (TypeError, ValueError):
        return None  # the events themselves tell what is wrong, if it is them
    return None if kept.stale else kept
