"""Counters that grow old: by minute at first, then by day, then one for all that was before.

Nothing that was counted is lost, and how much there is of it has a bound: names, times days. A row is taken
out by one process only, which adds it to the row that stays, in one transaction.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, select

from deploy.cloud.database import INSERT, Database
from deploy.cloud.tables import COUNTER, RELEASE

DAY: Final = 1_440  # minutes
MAX_BLOCKS: Final = 500  # hours of one release, in one sweep
_HOUR: Final = 60
_FOREVER: Final = 1 << 30


class Age(NamedTuple):
    """From how many days on which minutes are one."""

    days: int
    span: int


AGES: Final = (Age(7, DAY), Age(400, _FOREVER))


def fold(database: Database, now_ms: int) -> int:
    """Add up the counters that are old at NOW_MS; return how many rows went."""
    with database.reading() as connection:
        releases = list(connection.execute(select(RELEASE.c.id)).scalars())
    gone, blocks = 0, 0
    for age, release in ((age, release) for age in AGES for release in releases):
        end = now_ms // 60_000 - age.days * DAY
        while blocks < MAX_BLOCKS:
            with database.writing() as connection:
                if not (went := _fold_block(connection, release, age.span, end - end % DAY)):
                    break
                gone, blocks = gone + went, blocks + 1
    return gone


def _fold_block(connection: Connection, release: str, span: int, end: int) -> int:
    """Add up an hour of RELEASE before the minute END, the oldest; return how many rows went."""
    old = (COUNTER.c.release == release, COUNTER.c.minute < end, COUNTER.c.minute % span != 0)
    begin = connection.execute(select(func.min(COUNTER.c.minute)).where(*old)).scalar()
    if begin is None:
        return 0
    gone = delete(COUNTER).where(*old, COUNTER.c.minute < begin - begin % _HOUR + _HOUR)
    rows = connection.execute(gone.returning(COUNTER.c.minute, COUNTER.c.name, COUNTER.c.value)).all()
    sums: dict[tuple[int, str], int] = {}
    for minute, name, value in rows:
        key = (minute - minute % span, name)
        sums[key] = sums.get(key, 0) + value
    kept = [
        {"release": release, "minute": m, "name": name, "value": v} for (m, name), v in sorted(sums.items())
    ]
    add(connection, kept)
    return len(rows)


def add(connection: Connection, rows: list[dict[str, object]]) -> None:
    """Add ROWS, in the order of their keys, to what was counted."""
    query = INSERT[connection.dialect.name](COUNTER)
    query = query.on_conflict_do_update(
        index_elements=[COUNTER.c.release, COUNTER.c.minute, COUNTER.c.name],
        set_={"value": COUNTER.c.value + query.excluded.value},
    )
    connection.execute(query.returning(COUNTER.c.minute), rows).all()  # returning: many rows in one statement
