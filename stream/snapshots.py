"""Snapshots in the log file: one a key at most, written like events, gone once an event is forgotten."""

from __future__ import annotations

import sqlite3

from stream.store import transaction


def keep(connection: sqlite3.Connection, key: int, data: bytes) -> None:
    """Keep DATA for the key of this number, in place of what was kept before."""
    with transaction(connection):
        connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?)", (key, data))


def kept(connection: sqlite3.Connection, key: int) -> bytes | None:
    """Return what is kept for the key of this number."""
    row = connection.execute("SELECT data FROM snapshot WHERE key = ?", (key,)).fetchone()
    return row[0] if row is not None and type(row[0]) is bytes else None


def drop(connection: sqlite3.Connection) -> None:
    """Keep nothing, inside the transaction that removes events: states may hold them."""
    connection.execute("DELETE FROM snapshot")
