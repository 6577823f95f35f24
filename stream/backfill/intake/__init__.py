"""Recorded events in: from any source to flat Arrow batches of the columns that are needed, and no others."""

from __future__ import annotations

from stream.backfill.intake.source import Source, lasting, opened

__all__ = ["Source", "lasting", "opened"]
