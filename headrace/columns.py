"""How wide the columns of a table are in the room there is: pure arithmetic on the lengths of texts.

Only a heading and the cells of a prose column may be folded, and only between words: a name, an id or a time
that is cut tells nothing. Where even that is too wide there is no table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len

GAP = 2  # between columns


def fitted(
    columns: Sequence[str], rows: Sequence[Sequence[str]], room: int, prose: Collection[str]
) -> list[int] | None:
    """Return the width of each of COLUMNS so that ROWS fit into ROOM, None if they can not.

    prose: columns whose cells may be folded between words.
    """
    widest, least = [], []
    for place, name in enumerate(columns):
        cells = [row[place] for row in rows]
        widest.append(max(map(cell_len, [name, *cells])))
        least.append(max([_word(name), *map(_word if name in prose else cell_len, cells)]))
    left = room - sum(least) - GAP * (len(columns) - 1)
    return None if left < 0 else _given(least, widest, left)


def _word(text: str) -> int:
    """Return the length of the longest word of TEXT."""
    return max(map(cell_len, text.split()), default=0)


def _given(least: Sequence[int], widest: Sequence[int], left: int) -> list[int]:
    """Return LEAST with what is LEFT given to the columns that want little first."""
    found = list(least)
    for place in sorted(range(len(found)), key=lambda i: widest[i] - least[i]):
        more = min(widest[place] - least[place], left)
        found[place] += more
        left -= more
    return found
