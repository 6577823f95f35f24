"""What a scan finds of one event: rows of the tail, and pieces of sealed blocks, each in total order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from featuregraph.types import Type
from stream.event import COLUMNS as NAMES

if TYPE_CHECKING:
    from stream.blocks.events import Events

# One sealed event as a row: key and name by their numbers, the user as text; None under the key user_id,
# where it is the key.
COLUMNS: Final = (
    "ts_ms", "seq", "user_id", "id", "key", "name", "event_id", "known_ms",
    "session_id", "page_id", "item_id",
)  # fmt: skip
TS, SEQ, USER, ID, KEY, NAME, EVENT_ID, KNOWN, *_, PAYLOAD = range(len(COLUMNS) + 1)

Event = tuple[Any, ...]  # of COLUMNS, and the stored fields
Stored = Sequence[Any]  # the columns of one event that were asked for


class Run(NamedTuple):
    """The events from FIRST to before LAST of a block."""

    events: Events
    first: int
    last: int

    def column(self, name: str) -> list[Any]:
        """Return the values of one of the columns that every event has, as stored."""
        return self.events.column(name).cut(self.first, self.last).values()

    def payloads(self) -> list[bytes]:
        """Return the stored fields of each event."""
        return self.events.payloads(self.first, self.last)

    def converted(self, name: str, type: Type) -> tuple[list[Any], bool]:
        """Return the values of a field as TYPE, BAD where one is not, and whether one may be."""
        from stream.blocks.fields import converted

        column = self.events.raw(name) if name in NAMES else self.events.field(name)
        return converted(column.cut(self.first, self.last), type)


class Found(NamedTuple):
    """What a scan found; the pieces may overlap in time."""

    rows: Sequence[Stored]
    runs: Sequence[Run] = ()
    key: str = ""
