"""Events at rest and in motion: the device log, the engine that extracts features from it, and replay."""

from __future__ import annotations

from stream.backfill import replay
from stream.backfill.tabled import build_table
from stream.choice import Costs
from stream.clock import Clock, SystemClock
from stream.damage import Finding
from stream.engine import Engine
from stream.errors import (
    ArgumentError,
    BackfillError,
    EventFileError,
    LogCorruptError,
    LogError,
    LogFormatError,
    LogFullError,
    LogLockedError,
    LogReadOnlyError,
    StreamError,
    TableFileError,
)
from stream.event import Receipt
from stream.inspect import LogStats
from stream.limits import Limits
from stream.log import EventLog
from stream.served import Served
from stream.tablefile import TableFile, write_table
from stream.trainset import Recipe, training_set

__all__ = [
    "ArgumentError",
    "BackfillError",
    "Clock",
    "Costs",
    "Engine",
    "EventFileError",
    "EventLog",
    "Finding",
    "Limits",
    "LogCorruptError",
    "LogError",
    "LogFormatError",
    "LogFullError",
    "LogLockedError",
    "LogReadOnlyError",
    "LogStats",
    "Receipt",
    "Recipe",
    "Served",
    "StreamError",
    "SystemClock",
    "TableFile",
    "TableFileError",
    "build_table",
    "replay",
    "training_set",
    "write_table",
]
