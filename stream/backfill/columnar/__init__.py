"""Replay over columns: point-in-time features of many queries at once, equal bit for bit to the reference."""

from stream.backfill.columnar.events import Events, known_events
from stream.backfill.columnar.replay import Found, answered, asks_for_seq

__all__ = ["Events", "Found", "answered", "asks_for_seq", "known_events"]
