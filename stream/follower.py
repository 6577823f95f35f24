"""How far what is kept of keys has followed its log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from featuregraph import FeatureGraphError
from stream.cache import WEIGH_EVERY, Kept
from stream.decode import Unparsable
from stream.event import Row
from stream.log import EventLog, Standing
from stream.pace import Pace
from stream.reads import arrivals, decoding


class Follower:
    """Brings new rows of LOG to what is KEPT of their keys.

    1. A row up to `cursor` is in what is kept of its key, or pending.
    2. What ends `with follower:`, or has `failed`, may have left something half done, but for errors of the
       contract (an overflow, a request): nothing is kept then and nothing pends; each key is read anew.
    """

    def __init__(self, log: EventLog, kept: Kept, unparsable: Unparsable, pace: Pace) -> None:
        """Begin where LOG stands, with nothing kept."""
        self._log = log
        self._kept = kept
        self._unparsable = unparsable
        self._pace = pace
        self.pending: list[Row] = []
        self.cursor = log.last_id
        self.generation = log.generation

    def take(self, rows: Sequence[Row]) -> None:
        """Let ROWS pend, which were appended just now; those with others before them are found later."""
        if rows and rows[0].id == self.cursor + 1:
            self.pending.extend(rows)
            self.cursor = rows[-1].id
            if len(self.pending) > self._pace.most_pending:
                self.drain()

    def catch_up(self) -> Standing:
        """Take in what was appended or forgotten since the last query, by whomever."""
        now = self._log.standing()
        if now.generation != self.generation or now.last_id - self.cursor > self._pace.most_taken:
            self._kept.clear()
            self.pending.clear()
            self.generation = now.generation
            self.cursor = now.last_id
        for found in arrivals(self._log, self.cursor, now.last_id, self._pace.most_pending):
            self.pending.extend(found)
            self.cursor = found[-1].id
            self.drain()
        self.cursor = now.last_id
        self.drain()
        return now

    def drain(self) -> None:
        """Push the rows that pend into what is kept of their keys."""
        if not self.pending:
            return
        with decoding(self._log):
            for key, rows in _by_key(self.pending):
                self._push(key, rows)
        self.pending.clear()

    def _push(self, key: str, rows: list[Row]) -> None:
        kept = self._kept.peek(key)
        if kept is not None:
            self._unparsable.begin(key)
            kept.push(rows)
            self._unparsable.end(key, rows[-1].id)
            if kept.unweighed > WEIGH_EVERY:
                self._kept.weigh(key)

    def failed(self, error: BaseException) -> None:
        """Keep nothing that ERROR may have left half done."""
        if not isinstance(error, FeatureGraphError):
            self._kept.clear()
            self.pending.clear()

    # What changes what is kept, or pends, stands inside.
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self.failed(error)


def _by_key(rows: Iterable[Row]) -> Iterable[tuple[str, list[Row]]]:
    """Return ROWS by key, those of a key in the order in which they arrived."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.key].append(row)
    return found.items()
