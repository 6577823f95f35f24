"""How a message shows what was found: short, on one line, and without fail, whatever it is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from reprlib import Repr

VALUE_MAX = 60  # characters of one value
MAX_WORD = 100  # characters of a name that are compared with the known ones
MESSAGE_MAX = 1_000  # characters of a whole message

_short = Repr()
_short.maxlevel = 3
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = _short.maxfrozenset = 8
_short.maxstring = _short.maxlong = _short.maxother = 2 * VALUE_MAX


def shown(value: object, longest: int = VALUE_MAX) -> str:
    """Return VALUE as Python writes it, LONGEST characters at most.

    What is nested too deep, has too many digits or a repr that raises is shown by its class.
    """
    try:
        text = repr(value[: longest + 1]) if isinstance(value, (str, bytes)) else _short.repr(value)
    except Exception:  # noqa: BLE001 - a foreign repr raises what it likes, and the message must be made
        text = f"<{type(value).__name__}>"
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def bounded(message: str) -> str:
    """Return MESSAGE on one line, its middle left out if it is too long: the next step stands at the end."""
    line = " ".join(message.splitlines())
    if len(line) <= MESSAGE_MAX:
        return line
    return f"{line[: MESSAGE_MAX * 3 // 4]} ... {line[-MESSAGE_MAX // 5 :]}"


def nearest(name: object, names: Iterable[str]) -> str:
    """Return the advice that lists those of NAMES that are most like NAME, whatever its type."""
    known = sorted(map(str, names))
    word = name[:MAX_WORD] if isinstance(name, str) else ""
    close = difflib.get_close_matches(word, known, 3) or known[:5]
    return f"did you mean {', '.join(map(repr, close))}?" if close else "none is declared"
