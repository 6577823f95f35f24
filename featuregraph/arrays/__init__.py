"""Scalar expressions over whole columns: the values of featuregraph.scalar, bit for bit, in NumPy arrays."""

from featuregraph.arrays.column import Column, Words, column, listed
from featuregraph.arrays.kernels import KERNELS, apply
from featuregraph.arrays.space import Space
from featuregraph.arrays.time import calendar
from featuregraph.arrays.transcendental import exp2

__all__ = [
    "KERNELS",
    "Column",
    "Space",
    "Words",
    "apply",
    "calendar",
    "column",
    "exp2",
    "listed",
]
