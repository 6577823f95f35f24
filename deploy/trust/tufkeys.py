"""Our keys in the form of python-tuf."""

from __future__ import annotations

from securesystemslib.signer import SSlibKey

from deploy.trust.keys import PublicKey


def tuf_key(key: PublicKey) -> SSlibKey:
    """Return KEY as metadata names it."""
    return SSlibKey(key.id, "ed25519", "ed25519", {"public": key.hex})
