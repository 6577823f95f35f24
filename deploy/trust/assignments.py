"""The service's word about what a device should run: signed there, believed here.

A device believes an assignment if, in this order,

1. a threshold of the keys that it trusts signed it, each counted once;
2. it is for anyone, or for this device;
3. its ruleset is not older than one that the device knows;
4. it still holds.

The keys that a device trusts are a target of the TUF repository, signed by the offline targets role, so
that a stolen assignment key is taken away as any other (`AssignmentKeys`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical
from deploy.errors import TrustError
from deploy.trust.keys import Key, PublicKey
from deploy.wire.assignment import MAX_SIGNATURES, AssignmentManifest, KeyId, SignedAssignment
from inference.contract import Sha256

FORMAT: Final = 1
TARGET: Final = "assignment-keys.json"  # its path in the TUF repository
MAX_BYTES: Final = 16 << 10


class AssignmentKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys that sign assignments, and how many of them must."""

    keys: Annotated[dict[KeyId, Sha256], Meta(min_length=1, max_length=MAX_SIGNATURES)]  # 32 bytes as hex
    threshold: Annotated[int, Meta(ge=1, le=MAX_SIGNATURES)]
    format: Literal[1] = FORMAT

    def __post_init__(self) -> None:
        if self.threshold > len(self.keys):
            raise TrustError(
                f"assignment keys: expected at least {self.threshold} keys, found {len(self.keys)}; add some"
            )
        for name, key in self.keys.items():
            if PublicKey(key).id != name:  # else one key under two names would count twice
                raise TrustError(
                    f"assignment keys: expected the id of key {key:.12}, found {name:.12}; correct it"
                )

    @staticmethod
    def of(keys: Iterable[PublicKey], threshold: int = 1) -> AssignmentKeys:
        """Return KEYS of which THRESHOLD must sign."""
        return AssignmentKeys({key.id: key.hex for key in keys}, threshold)

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> AssignmentKeys:
        """Return the keys in CONTENT; raise TrustError if they are none."""
        step = "publish them again"
        return canonical.decode(content, AssignmentKeys, "assignment keys", MAX_BYTES, TrustError, step)


def sign(manifest: AssignmentManifest, keys: Iterable[Key]) -> SignedAssignment:
    """Return MANIFEST with the signature of each of KEYS."""
    message = manifest.message
    return SignedAssignment(manifest, {key.id: key.sign(message) for key in keys})


def verify(
    signed: SignedAssignment, trusted: AssignmentKeys, *, device: str, now_ms: int, least_ruleset: int = 1
) -> AssignmentManifest:
    """Return what SIGNED says, if DEVICE may believe it.

    Args:
        signed: the service's answer, as it came.
        trusted: the keys, from the TUF repository.
        device: who asks.
        now_ms: by the device's clock.
        least_ruleset: the highest ruleset that was ever believed here; an older one is a replay.

    Raises:
        TrustError: it may not.
    """
    manifest = signed.manifest
    message = manifest.message
    good = sum(
        PublicKey(key).made(signed.signatures[name], message)
        for name, key in trusted.keys.items()
        if name in signed.signatures
    )
    if good < trusted.threshold:
        raise TrustError(
            f"assignment: expected signatures of {trusted.threshold} trusted keys, found {good};"
            " refresh the trusted keys and ask again"
        )
    if manifest.device not in (None, device):
        raise TrustError(
            f"assignment: expected one for {device!r:.80}, found another device's; ask the service again"
        )
    if manifest.ruleset < least_ruleset:
        raise TrustError(
            f"assignment: expected ruleset {least_ruleset} or newer, found {manifest.ruleset};"
            " it is a replay, or the service went back: ask again"
        )
    if manifest.until_ms <= now_ms:
        raise TrustError(
            f"assignment: expected one that still holds, found one until {manifest.until_ms} at {now_ms}"
            " (ms since 1970); ask again, and look at the clock"
        )
    return manifest
