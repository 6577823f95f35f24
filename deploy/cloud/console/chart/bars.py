"""A bar for each of some numbers, with a bound, as inline SVG. Pure."""

from __future__ import annotations

from html import escape
from typing import Final

WIDTH: Final = 120
HEIGHT: Final = 12


def bar(value: float, most: float, word: str, kind: str = "release", bound: float | None = None) -> str:
    """Return a bar of VALUE out of MOST, read aloud as WORD, with a line at BOUND."""
    long = round(WIDTH * min(max(value / most if most else 0, 0), 1), 1)
    line = ""
    if bound is not None:
        x = round(WIDTH * min(bound / most if most else 1, 1), 1)
        line = f'<line class="bound" x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}"/>'
    return (
        f'<svg class="bar" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(word)}">'
        f'<rect class="rail" width="{WIDTH}" height="{HEIGHT}" rx="3"/>'
        f'<rect class="fill {escape(kind)}" width="{long}" height="{HEIGHT}" rx="3"/>{line}</svg>'
    )
