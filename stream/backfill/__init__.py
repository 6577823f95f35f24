"""Replay and verification of recorded events: point in time, exact, by any executor."""

from __future__ import annotations

from stream.backfill.job import Report, replay

__all__ = ["Report", "replay"]
