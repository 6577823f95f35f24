"""Every decoder takes what is sound and refuses the rest: a moment of chance, and each failure of the past.

`make fuzz MINUTES=10` goes on for as long as one likes.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from stream.testing.fuzzing import Target, attempt, fuzz, kept_inputs
from stream.testing.mutation import mutated, mutated_json
from stream.testing.targets import TARGETS

pytestmark = pytest.mark.device

KEPT = Path(__file__).with_name("kept")
SECONDS, INPUTS_LEAST = 0.5, 8
NAMED = [pytest.param(target, id=target.name) for target in TARGETS]
INPUTS = [
    pytest.param(target, data, id=f"{target.name}-{number}")
    for target in TARGETS
    for number, data in enumerate(kept_inputs(KEPT / target.name))
]


@pytest.mark.parametrize("target", NAMED)
def test_sound_inputs_are_taken(target: Target) -> None:
    """What a target calls sound is: the events among them that are not are refused in one line."""
    found = [attempt(target, data) for data in target.seeds()]
    assert "" in found
    assert target.name == "events" or set(found) == {""}


@pytest.mark.parametrize("target", NAMED)
def test_inputs_by_chance(target: Target) -> None:
    """No input crashes a decoder, hangs it or is refused otherwise than it says."""
    report = fuzz(target, SECONDS, Random(), kept_inputs(KEPT / target.name), least=INPUTS_LEAST)
    assert not report.failures, [(one.what, one.data[:200]) for one in report.failures.values()]


@pytest.mark.parametrize(("target", "data"), INPUTS)
def test_failures_of_the_past(target: Target, data: bytes) -> None:
    """What once failed is taken, or refused in one line."""
    attempt(target, data)


def _take(data: bytes) -> None:
    if data.startswith(b"{"):
        raise ValueError("two\nlines")
    if b"9" in data:
        raise KeyError("unexpected")
    if not data.isascii():
        raise ValueError("expected ASCII, found other bytes; send less")
    assert data != b"1", "a wrong result"


@pytest.mark.parametrize(
    ("data", "what"), [(b"{", "more than one line"), (b"9", "KeyError"), (b"1", "wrong result")]
)
def test_a_failure_is_found_out(data: bytes, what: str) -> None:
    """An error that is not named, a line too many and a wrong result are failures, once each."""
    target = Target("own", lambda: [b"0"], _take, (ValueError,))
    with pytest.raises(AssertionError, match=what):
        attempt(target, data)
    report = fuzz(target, 0.3, Random(1), [data, data])
    assert sum(what in one.what for one in report.failures.values()) == 1
    assert report.failures != {}
    assert report.taken
    assert report.ways >= {""}


def test_mutations_reach_far() -> None:
    """Bytes and JSON change in many ways, and sound JSON mostly stays JSON."""
    rng, base = Random(1), json.dumps({"a": [1, {"b": None}], "c": "x"}).encode()
    assert len({mutated(rng, base, [base]) for _ in range(300)}) > 250
    found = [mutated_json(rng, base, [base, b'["other"]']) for _ in range(300)]
    assert len(set(found)) > 150
    assert sum(_is_json(one) for one in found) > 200
    assert any(b"other" in one for one in found)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
