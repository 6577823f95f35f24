"""The numbers that stand for keys, users and event names inside the file (table `text`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

Execute = Callable[..., sqlite3.Cursor]


class Texts:
    """Texts by number and numbers by text, read through a bounded memory; for one connection."""

    def __init__(self, connection: sqlite3.Connection, bound: int) -> None:
        self._connection = connection
        self._bound = bound
        self._numbers: dict[str, int] = {}
        self._texts: dict[int, str | None] = {0: None}  # 0 is null
        self._next: int | None = None

    def find(self, text: str) -> int | None:
        """Return the number of TEXT, None if the log has never seen it."""
        number = self._numbers.get(text)
        if number is None:
            row = self._connection.execute("SELECT id FROM text WHERE value = ?", (text,)).fetchone()
            if row is None:
                return None
            number = int(row[0])
            self._remember(number, text)
        return number

    def number(self, text: str) -> int:
        """Return the number of TEXT; a new text gets one inside the transaction under way."""
        number = self._numbers.get(text) or self.find(text)
        if number is None:
            number = self._next = self.last() + 1
            self._connection.execute("INSERT INTO text VALUES (?, ?)", (number, text))
            self._remember(number, text)
        return number

    def text(self, number: int) -> str | None:
        """Return the text of NUMBER; None for 0."""
        try:
            return self._texts[number]
        except KeyError:
            row = self._connection.execute("SELECT value FROM text WHERE id = ?", (number,)).fetchone()
            if row is None:
                raise sqlite3.DatabaseError(f"text {number} is missing") from None
            self._remember(number, row[0])
            return str(row[0])

    def last(self) -> int:
        """Return the largest number ever given: those of forgotten texts are not given again."""
        if self._next is None:
            self._next = last_number(self._connection.execute, "text", "last_text")
        return self._next

    def drop(self) -> None:
        """Empty the memory: what a failed transaction or another process did may stand in it."""
        self._numbers.clear()
        self._texts = {0: None}
        self._next = None

    def _remember(self, number: int, text: str) -> None:
        if len(self._numbers) >= self._bound:
            self._numbers.clear()
            self._texts = {0: None}
        self._numbers[text] = number
        self._texts[number] = text


def last_number(execute: Execute, table: str, mark: str) -> int:
    """Return the largest id that TABLE has, or had before rows were forgotten (MARK of `meta`)."""
    here = execute(f"SELECT max(id) FROM {table}").fetchone()[0]  # noqa: S608  # our own words
    before = execute("SELECT value FROM meta WHERE name = ?", (mark,)).fetchone()
    return max(here or 0, before[0] if before else 0)
