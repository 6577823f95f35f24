"""Points in time as people write them: int64 ms, or ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from featuregraph.errors import RequestError
from featuregraph.types import INT64_MAX, INT64_MIN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> int:
    """Return the ms that TEXT stands for: whole ms, or ISO 8601, UTC where it names no zone.

    >>> parse_time("1970-01-02T00:00:00.5")
    86400500
    """
    digits = text[1:] if text[:1] in "+-" else text
    if digits.isascii() and digits.isdigit():
        if INT64_MIN <= int(text) <= INT64_MAX:
            return int(text)
        raise RequestError(f"expected a time in int64 ms, found {text!r:.60}; correct it")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            f"expected a time as ms or ISO 8601, found {text!r:.60}; write it like 2025-01-31T09:30:00Z"
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - _EPOCH) // timedelta(milliseconds=1)


def format_time(ms: int) -> str:
    """Return MS in ISO 8601, UTC; years beyond those that a calendar here knows stay ms."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"
    except OverflowError:
        return f"{ms} ms"
