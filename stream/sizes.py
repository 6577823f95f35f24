"""Sizes in memory as people write them: "2MiB"."""

from __future__ import annotations

import re

from stream.errors import ArgumentError

_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d{1,15})\s*(B|KiB|MiB|GiB)?", re.ASCII)


def parse_size(size: str | int) -> int:
    """Return SIZE in bytes: a whole number, or a text such as "2MiB"; raise ValueError otherwise."""
    if type(size) is int and size >= 0:
        return size
    if isinstance(size, str) and (match := _SIZE.fullmatch(size.strip())):
        return int(match[1]) * _UNITS[match[2] or ""]
    raise ArgumentError(
        f"expected a size such as '2MiB' or a number of bytes, found {size!r}; use B, KiB, MiB or GiB"
    )
