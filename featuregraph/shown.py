"""How a message shows what was found: short, on one line, and without fail, whatever it is."""

from __future__ import annotations

from reprlib import Repr

VALUE_MAX = 60  # characters of one value
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
    return text[:longest]


def bounded(message: str) -> str:
    """Return MESSAGE on one line, its middle left out if it is too long: the next step stands at the end."""
    line = " ".join(message.splitlines())
    if len(line) <= MESSAGE_MAX:
        return line
    return f"{line[: MESSAGE_MAX * 3 // 4]} ... {line[-MESSAGE_MAX // 5 :]}"
