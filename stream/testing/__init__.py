"""What tests of the engine stand on: it as an executor, and whole lives played against the reference."""

from stream.testing.columnar import ColumnarExecutor
from stream.testing.executor import EXECUTORS, DeviceExecutor

__all__ = ["EXECUTORS", "ColumnarExecutor", "DeviceExecutor"]
