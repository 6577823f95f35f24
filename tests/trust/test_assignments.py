"""A device believes an assignment that enough of its keys signed, for it, that is neither old nor over."""

from __future__ import annotations

import msgspec
import pytest

from deploy.errors import TrustError, WireError
from deploy.trust import keys
from deploy.trust.assignments import AssignmentKeys, sign, verify
from deploy.wire.assignment import Assigned, AssignmentManifest, SignedAssignment

ONE, TWO, THREE, STRANGER = (keys.generate() for _ in range(4))
TRUSTED = AssignmentKeys.of([key.public for key in (ONE, TWO, THREE)], 2)
MANIFEST = AssignmentManifest(7, 1_000, {"rank": Assigned("rank-2", "b" * 64, "a" * 64)}, ("ads",))


def believed(
    signed: SignedAssignment,
    trusted: AssignmentKeys = TRUSTED,
    device: str = "ann",
    now_ms: int = 999,
    least_ruleset: int = 7,
) -> AssignmentManifest:
    """Return what ANN may believe of SIGNED, as it comes over the network."""
    came = SignedAssignment.from_json(signed.to_json())
    return verify(came, trusted, device=device, now_ms=now_ms, least_ruleset=least_ruleset)


def refused(said: str, signed: SignedAssignment, **change: object) -> None:
    """Raise AssertionError unless SIGNED is refused with SAID, on one line."""
    with pytest.raises(TrustError, match=said) as raised:
        believed(signed, **change)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    assert "; " in str(raised.value) or ": " in str(raised.value)


def test_it_is_believed_on_the_last_moment_and_at_the_same_ruleset() -> None:
    """More signatures than needed, a stranger's among them, do no harm."""
    assert believed(sign(MANIFEST, [ONE, TWO])) == MANIFEST
    assert believed(sign(MANIFEST, [ONE, TWO, THREE, STRANGER])) == MANIFEST


def test_a_threshold_of_different_keys_must_sign() -> None:
    """Each key counts once, whatever its name is said to be."""
    refused("signatures of 2 trusted keys, found 1", sign(MANIFEST, [ONE]))
    refused("signatures of 2 trusted keys, found 1", sign(MANIFEST, [ONE, STRANGER]))
    refused("found 0", sign(MANIFEST, []))
    twice = sign(MANIFEST, [ONE])
    same = msgspec.structs.replace(twice, signatures={**twice.signatures, TWO.id: twice.signatures[ONE.id]})
    refused("found 1", same)  # one key's signature under another's name


def test_a_wrong_signature_spoils_no_right_ones() -> None:
    """It is not counted, and that is all."""
    signed = sign(MANIFEST, [ONE, TWO, THREE])
    spoiled = msgspec.structs.replace(signed, signatures={**signed.signatures, ONE.id: "0" * 128})
    assert believed(spoiled) == MANIFEST
    spoiled = msgspec.structs.replace(spoiled, signatures={**spoiled.signatures, TWO.id: "0" * 128})
    refused("found 1", spoiled)


@pytest.mark.parametrize(
    "change",
    [
        {"ruleset": 8},
        {"until_ms": 2_000},
        {"halted": ()},
        {"tasks": {}},
        {"tasks": {"rank": Assigned("rank-2", "c" * 64, "a" * 64)}},
        {"device": "ann"},
    ],
)
def test_every_word_is_signed(change: dict[str, object]) -> None:
    """Another word under the same signatures is refused."""
    signed = sign(MANIFEST, [ONE, TWO])
    other = msgspec.structs.replace(MANIFEST, **change)
    refused("found 0", msgspec.structs.replace(signed, manifest=other))


def test_a_signature_under_something_else_is_none() -> None:
    """What a key signed for another purpose, its JSON without the words before it, is no assignment."""
    content = msgspec.json.encode(MANIFEST, order="sorted")
    bare = SignedAssignment(MANIFEST, {key.id: key.sign(content) for key in (ONE, TWO)})
    refused("found 0", bare)


def test_it_is_for_this_device_or_for_anyone() -> None:
    """Another device's own files are no business of this one."""
    own = msgspec.structs.replace(MANIFEST, device="ann")
    assert believed(sign(own, [ONE, TWO])).device == "ann"
    refused("expected one for 'bob', found another device's", sign(own, [ONE, TWO]), device="bob")


def test_a_replay_is_refused() -> None:
    """The ruleset never goes back on a device."""
    refused("expected ruleset 8 or newer, found 7", sign(MANIFEST, [ONE, TWO]), least_ruleset=8)


def test_it_ends() -> None:
    """At its last moment it is over."""
    refused("found one until 1000 at 1000", sign(MANIFEST, [ONE, TWO]), now_ms=1_000)


def test_signatures_are_looked_at_first() -> None:
    """Of a forged one nothing else is said: it could say anything."""
    refused("trusted keys, found 0", sign(MANIFEST, [STRANGER]), now_ms=5_000, least_ruleset=9)


def test_keys_have_one_form() -> None:
    """A changed threshold, format, id, key or spelling is refused in one line."""
    content = TRUSTED.to_json()
    assert AssignmentKeys.from_json(content) == TRUSTED
    for old, new in (
        (b'"threshold":2', b'"threshold":4'),
        (b'"threshold":2', b'"threshold":0'),
        (b'"format":1', b'"format":2'),
        (ONE.id.encode(), TWO.public.hex.encode()),
        (ONE.public.hex.encode(), TWO.public.hex.encode()),
        (b"{", b" {"),
    ):
        assert old in content
        with pytest.raises(TrustError, match=r"^assignment keys: expected") as raised:
            AssignmentKeys.from_json(content.replace(old, new))
        assert "\n" not in str(raised.value)
    with pytest.raises(TrustError, match="at most 16384 bytes"):
        AssignmentKeys.from_json(b" " * 20_000)


def test_a_damaged_answer_never_becomes_another() -> None:
    """A flipped bit of the signed answer is refused or changes no word."""
    content = sign(MANIFEST, [ONE, TWO]).to_json()
    for place in range(0, len(content), 5):
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        try:
            found = verify(SignedAssignment.from_json(bytes(spoiled)), TRUSTED, device="ann", now_ms=0)
        except (TrustError, WireError):
            continue
        assert found == MANIFEST
