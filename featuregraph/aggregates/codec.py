"""States as bytes: msgpack of [version, configuration, parts], and the checks on the way back.

A check takes what was decoded and returns it, or raises ValueError. Whoever wrote the bytes is not trusted:
every number, length and type is checked before it becomes part of a state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from featuregraph.scalar import OVERFLOW
from featuregraph.types import INT64_MAX, INT64_MIN, Type

VERSION = 1
MAX_WIDE = 1024  # bytes of an exact sum: the squares of 2**63 doubles need 540
MAX_NESTING = 8  # of rows kept by reference

_OVERFLOW_CODE = 1
_SURROGATES_CODE = 2

Check = Callable[[object], Any]


def pack(config: str, parts: list[Any]) -> bytes:
    """Return the bytes of PARTS under the name of their configuration."""
    whole = [VERSION, config, parts]
    try:
        return _encoder.encode(whole)
    except UnicodeEncodeError:
        return _encoder.encode(_escaped(whole))


def unpack(config: str, data: bytes) -> object:
    """Return the parts in DATA, unchecked; raise ValueError if it does not hold a state of CONFIG."""
    try:
        whole = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"state of {config}: expected msgpack, found {error}; fold the rows anew") from error
    if len(whole) != 3 or whole[:2] != [VERSION, config]:
        found = f"{whole[:2]!r:.100}"
        raise ValueError(
            f"state of {config}: expected version {VERSION} of it, found {found}; fold the rows anew"
        )
    return whole[2]


def _escaped(value: Any) -> Any:
    """Return VALUE with each text that has no UTF-8 (a lone surrogate) wrapped."""
    if isinstance(value, (list, tuple)):
        return [_escaped(v) for v in value]
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return msgspec.msgpack.Ext(_SURROGATES_CODE, value.encode("utf-8", "surrogatepass"))
    return value


def _from_ext(code: int, data: memoryview) -> object:
    if code == _OVERFLOW_CODE and not data:
        return OVERFLOW
    if code == _SURROGATES_CODE:
        return bytes(data).decode("utf-8", "surrogatepass")
    raise ValueError(f"extension {code}")


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list, ext_hook=_from_ext)


def bad(expected: str, found: object) -> ValueError:
    """Return the error for a part that is not what it should be."""
    return ValueError(f"state: expected {expected}, found {found!r:.60}; fold the rows anew")


# ---------------------------------------------------------------- checks


def parts_of(found: object, *checks: Check) -> list[Any]:
    """Return the parts of a list, each passed through its check."""
    if type(found) is not list or len(found) != len(checks):
        raise bad(f"{len(checks)} parts", found)
    return [check(part) for check, part in zip(checks, found, strict=True)]


def listed(check: Check) -> Check:
    """Return the check of a list whose members all pass CHECK."""

    def check_list(found: object) -> list[Any]:
        if type(found) is not list:
            raise bad("a list", found)
        return [check(part) for part in found]

    return check_list


def tupled(*checks: Check) -> Check:
    """Return the check of a list of exactly these parts."""
    return lambda found: tuple(parts_of(found, *checks))


def optional(check: Check) -> Check:
    """Return CHECK, or None for None."""
    return lambda found: None if found is None else check(found)


def count(found: object) -> int:
    """Return a number of rows."""
    if type(found) is not int or not 0 <= found <= INT64_MAX:
        raise bad("a number of rows", found)
    return found


def positive(found: object) -> int:
    """Return a number of rows, at least one."""
    if count(found) == 0:
        raise bad("at least one row", found)
    return count(found)


def wide(found: object) -> int:
    """Return an integer of any size from what `widely` gave."""
    if type(found) is int and INT64_MIN <= found <= INT64_MAX:
        return found
    if type(found) is bytes and len(found) <= MAX_WIDE:
        number = int.from_bytes(found, "little", signed=True)
        if widely(number) == found:
            return number
    raise bad("an integer", found)


def widely(number: int) -> int | bytes:
    """Return an integer of any size in the one form that msgpack can hold."""
    if INT64_MIN <= number <= INT64_MAX:
        return number
    return number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)


def value_of(type: Type | None) -> Check:
    """Return the check of an internal value of TYPE; of an int64 if there is none."""
    kind = type.kind if type else "int64"
    if kind == "float64":
        return _float
    if kind == "boolean":
        return _bool
    return _text if type and type.is_text else _int


def _float(found: object) -> float:
    if type(found) is not float or not math.isfinite(found) or (found == 0 and math.copysign(1, found) < 0):
        raise bad("a finite float64", found)
    return found


def _int(found: object) -> int:
    if type(found) is not int or not INT64_MIN <= found <= INT64_MAX:
        raise bad("an int64", found)
    return found


def _bool(found: object) -> bool:
    if type(found) is not bool:
        raise bad("a boolean", found)
    return found


def _text(found: object) -> str:
    if type(found) is not str:
        raise bad("a text", found)
    return found


def rowly(row: object, depth: int = 0) -> object:
    """Return a row as msgpack can hold it; raise TypeError unless it is plain values and tuples of them."""
    if type(row) is tuple and depth < MAX_NESTING:
        return [rowly(part, depth + 1) for part in row]
    if row is OVERFLOW:
        return msgspec.msgpack.Ext(_OVERFLOW_CODE, b"")
    if row is None or type(row) in (bool, int, float, str):
        return row
    wanted = "None, bool, int, float, str and tuples of them"
    raise TypeError(
        f"expected a row of {wanted}, found {type(row).__name__}; encode states of such rows only"
    )


def row(found: object, depth: int = 0) -> object:
    """Return a row from what `rowly` gave."""
    if type(found) is list and depth < MAX_NESTING:
        return tuple([row(part, depth + 1) for part in found])
    if found is None or found is OVERFLOW or type(found) in (bool, int, float, str):
        return found
    raise bad("a row of plain values", found)


def ascending(values: Sequence[Any], *, strictly: bool = False) -> None:
    """Raise ValueError unless VALUES ascend."""
    for left, right in pairwise(values):
        if left > right or (strictly and left == right):
            raise bad("ascending values", values)
