"""Scalar expressions over whole columns: the values of featuregraph.scalar, bit for bit, in NumPy arrays."""

from featuregraph.arrays.column import Column, column, dtype, listed
from featuregraph.arrays.evaluate import evaluate
from featuregraph.arrays.kernels import KERNELS, apply
from featuregraph.arrays.time import calendar
from featuregraph.arrays.transcendental import exp2, log1p

__all__ = [
    "KERNELS",
    "Column",
    "apply",
    "calendar",
    "column",
    "dtype",
    "evaluate",
    "exp2",
    "listed",
    "log1p",
]
