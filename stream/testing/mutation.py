"""Inputs made of other inputs: bytes changed, cut and spliced, and JSON changed where its parts are."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, Final

Json = Any
MAX_BYTES: Final = 1 << 20  # longer inputs are cut

_WORDS: Final = (
    b"\0",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80",
    b"null",
    b"NaN",
    b"1e999",
    b"{",
    b"]",
    b'"',
)
# What strings of this form stand for is up to who reads the input.
_VALUES: Final[Sequence[Json]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400),
    *(0.0, -0.0, 0.1, 5e-324, 1e308, -1e308, float("nan"), float("inf")),
    *(
        "",
        "a",
        "0",
        "-1",
        "1.5",
        "1e5",
        "9" * 30,
        "true",
        "\0",
        "\ud800",
        "\U0001f600",
        "e\u0301",
        "x" * 5_000,
    ),
    *([], {}, [None], [[[]]], {"": None}),
)
_DEEP: Final = 3_000


def mutated(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return DATA changed in one or some places; OTHERS: inputs to take parts from."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        rng.choice(_CHANGES)(rng, found, others)
    return bytes(found[:MAX_BYTES])


def _flip(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _add(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    place = rng.randint(0, len(data))
    data[place:place] = rng.choice((*_WORDS, rng.randbytes(rng.randint(1, 8))))


def _drop(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    start, end = _range(rng, data)
    del data[start:end]


def _repeat(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    start, end = _range(rng, data)
    data[end:end] = data[start:end] * rng.choice((1, 1, 2, 30))


def _overwrite(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    start, end = _range(rng, data)
    place = rng.randint(0, len(data))
    data[place : place + end - start] = data[start:end]


def _splice(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if others:
        other = bytearray(rng.choice(others))
        start, end = _range(rng, other)
        place = rng.randint(0, len(data))
        data[place : place + rng.choice((0, end - start))] = other[start:end]


def _cut(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    if rng.random() < 0.2:
        del data[rng.randint(0, len(data)) :]


def _range(rng: Random, data: bytearray) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + int(2 ** rng.uniform(0, 12)))


_CHANGES: Final[Sequence[Callable[[Random, bytearray, Sequence[bytes]], None]]] = (
    *(_flip, _flip, _set, _set, _add, _drop, _repeat, _overwrite, _splice, _cut),
)


# ---------------------------------------------------------------- JSON


def mutated_json(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return the JSON in DATA with some of its parts changed; as bytes, if it is none or by chance."""
    try:
        value = json.loads(data)
        donors = [json.loads(rng.choice(others))] if others else []
    except (ValueError, RecursionError):
        return mutated(rng, data, others)
    if rng.random() < 0.15:
        return mutated(rng, data, others)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        value = _changed(rng, value, donors)
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return data
    if rng.random() < 0.01:
        text = text.replace("null", "[" * _DEEP + "]" * _DEEP, 1)
    return text.encode()[:MAX_BYTES]


def _changed(rng: Random, value: Json, donors: Sequence[Json]) -> Json:
    """Return VALUE with one of its parts, found by steps down from it, changed."""
    steps: list[tuple[Json, Any]] = []
    part = value
    while isinstance(part, (dict, list)) and part and (not steps or rng.random() < 0.8):
        step = rng.choice(list(part)) if isinstance(part, dict) else rng.randrange(len(part))
        steps.append((part, step))
        part = part[step]
    if not steps:
        return deepcopy(rng.choice(_VALUES)) if rng.random() < 0.1 else value
    parent, step = steps[-1]
    match rng.randrange(6):
        case 0:
            del parent[step]
        case 1 if isinstance(parent, dict):
            parent[rng.choice((*parent, "x", ""))] = parent.pop(step)
        case 2 if isinstance(parent, list):
            parent.insert(step, deepcopy(part))
        case 3 if donors:
            parent[step] = _part(rng, rng.choice(donors))
        case 4:
            parent[step] = _part(rng, value)
        case _:
            parent[step] = deepcopy(rng.choice(_VALUES))
    return value


def _part(rng: Random, value: Json) -> Json:
    """Return a copy of some part of VALUE."""
    while isinstance(value, (dict, list)) and value and rng.random() < 0.7:
        value = value[rng.choice(list(value))] if isinstance(value, dict) else rng.choice(value)
    return deepcopy(value)
