"""The engine put to the test: as an executor of the conformance suite, and through whole lives of a log."""

from __future__ import annotations

from stream.testing.executors import EXECUTORS, DeviceExecutor

__all__ = ["EXECUTORS", "DeviceExecutor"]
