"""What must be signed anew now: the decision of the daily signer. Pure.

A role is due where, the first that holds:

1. the keys that its delegator names did not sign it: they changed;
2. it does not name the newest of what it lists;
3. its end is near.

Where the snapshot is due the timestamp is, which names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.trust.roles import DAY_MS, SNAPSHOT, TIMESTAMP, life
from featuregraph.times import format_time


@dataclass(frozen=True, slots=True)
class Standing:
    """How the newest version of a role stands."""

    role: str
    until_ms: int  # when its word ends
    signed: bool = True  # by a threshold of the keys that its delegator names now
    current: bool = True  # it names the newest of what it lists


def due(standings: Iterable[Standing], now_ms: int) -> dict[str, str]:
    """Return why each role that is due is, in the order of STANDINGS."""
    found = {one.role: why for one in standings if (why := _why(one, now_ms)) is not None}
    if SNAPSHOT in found:
        found.setdefault(TIMESTAMP, "the snapshot that it names is due")
    return found


def _why(one: Standing, now_ms: int) -> str | None:
    if not one.signed:
        return "its keys changed"
    if not one.current:
        return "something newer is there"
    if one.until_ms <= now_ms:
        return f"it ended at {format_time(one.until_ms)}"
    if one.until_ms - now_ms <= life(one.role).anew_days * DAY_MS:
        return f"it ends at {format_time(one.until_ms)}"
    return None
