"""Who did what, written in the transaction that did it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select

from deploy import canonical
from deploy.cloud.roles import Who
from deploy.cloud.tables import AUDIT

MAX_ENTRIES = 1_000


class Entry(Struct, frozen=True):
    """One deed."""

    id: int
    at_ms: int
    by: str
    name: str
    action: str
    what: str
    detail: str  # JSON


def write(connection: Connection, who: Who, at_ms: int, action: str, what: str, **detail: Any) -> None:
    """Keep that WHO did ACTION to WHAT."""
    row = {
        "at_ms": at_ms,
        "by": who.id,
        "name": who.name,
        "action": action,
        "what": what,
        "detail": canonical.encode(detail).decode(),
    }
    connection.execute(insert(AUDIT), row)


def read(connection: Connection, before: int | None = None, limit: int = 100) -> list[Entry]:
    """Return the LIMIT last entries, of those with an id below BEFORE, the newest first."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(max(1, min(limit, MAX_ENTRIES)))
    if before is not None:
        query = query.where(AUDIT.c.id < before)
    return [Entry(**row) for row in connection.execute(query).mappings()]
