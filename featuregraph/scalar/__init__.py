"""Scalar operators as functions over internal values (SEMANTICS 5.2 to 5.5), resolved once per node."""

from featuregraph.scalar.kernels import KERNELS, kernel
from featuregraph.scalar.overflow import OVERFLOW, Kernel, Overflow
from featuregraph.scalar.time import day_of_week, hour_of_day, tzdata_version, zone
from featuregraph.scalar.transcendental import exp2, log1p

__all__ = [
    "KERNELS",
    "OVERFLOW",
    "Kernel",
    "Overflow",
    "day_of_week",
    "exp2",
    "hour_of_day",
    "kernel",
    "log1p",
    "tzdata_version",
    "zone",
]
