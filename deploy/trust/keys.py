"""Ed25519 keys (RFC 8032): who signs, and the files in which keys lie.

    FILE        the private key: PEM of PKCS 8 (RFC 5958, RFC 8410), mode 0600, under a passphrase if wanted
    FILE.pub    the public key: PEM

A key's id is the one that TUF gives it, the SHA-256 of its canonical JSON, so that a key is called alike in
metadata, in assignments and on paper.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy import canonical
from deploy.errors import TrustError
from deploy.trust.files import sync
from featuregraph.shown import bounded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_KEY_FILE: Final = 16 << 10  # bytes
_KEY_BYTES: Final = 32
_SCHEME: Final = "ed25519"


@dataclass(frozen=True)
class PublicKey:
    """A public key, by its 32 bytes in hexadecimal."""

    hex: str

    def __post_init__(self) -> None:
        if len(self.hex) != 2 * _KEY_BYTES or self.hex.strip("0123456789abcdef"):
            raise TrustError(f"key: expected 64 hexadecimal digits, found {self.hex!r:.80}; copy it again")

    @cached_property
    def id(self) -> str:
        """Return the key's id, 64 hexadecimal digits."""
        form = {"keytype": _SCHEME, "scheme": _SCHEME, "keyval": {"public": self.hex}}
        return canonical.digest(canonical.encode(form))

    def made(self, signature: str, message: bytes) -> bool:
        """Tell whether SIGNATURE, in hexadecimal, is this key's under MESSAGE."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.hex)).verify(
                bytes.fromhex(signature), message
            )
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Key:
    """A private key and its public one."""

    private: Ed25519PrivateKey = field(repr=False)
    public: PublicKey

    @property
    def id(self) -> str:
        """Return the id of the public key."""
        return self.public.id

    def sign(self, message: bytes) -> str:
        """Return the signature under MESSAGE in hexadecimal."""
        return self.private.sign(message).hex()


def generate() -> Key:
    """Return a new key of the system's random numbers."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _key(Ed25519PrivateKey.generate())


def write(path: Path, key: Key, passphrase: bytes | None = None) -> None:
    """Write KEY to PATH and its public key to PATH.pub; neither may be there before.

    Raises:
        FileExistsError: one of them is there; a key is never written over.
    """
    from cryptography.hazmat.primitives import serialization as forms

    hidden = forms.BestAvailableEncryption(passphrase) if passphrase else forms.NoEncryption()
    private = key.private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, hidden)
    public = key.private.public_key().public_bytes(
        forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
    )
    _create(path, private, 0o600)
    try:
        _create(public_file(path), public, 0o644)
    except OSError:
        path.unlink()
        raise
    sync(path.parent)


def read(path: Path, passphrase: bytes | None = None) -> Key:
    """Return the private key in PATH; raise TrustError if there is none that may be used."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content, mode = _content(path)
    if open_to_others := stat.S_IMODE(mode) & 0o077:
        raise TrustError(
            f"{path}: expected a key that its owner alone may use, found mode {stat.S_IMODE(mode):o}"
            f" ({open_to_others:o} too much); chmod 600 it, or make another if it was seen"
        )
    try:
        found = load_pem_private_key(content, passphrase or None)
    except TypeError as error:  # one has a passphrase and the other has none
        expected, step = ("no passphrase", "leave it out") if passphrase else ("a passphrase", "give it")
        raise TrustError(f"{path}: expected {expected} for this key; {step}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        said = "another passphrase or another file" if passphrase else "other content"
        raise TrustError(f"{path}: expected a private key as PEM, found {said}; name its file") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise TrustError(f"{path}: expected an Ed25519 key, found another kind; headrace keys new makes one")
    return _key(found)


def is_hidden(path: Path) -> bool:
    """Tell whether the private key in PATH is under a passphrase."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in _content(path)[0]


def read_public(path: Path) -> PublicKey:
    """Return the public key in PATH; raise TrustError if there is none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content, _ = _content(path)
    try:
        found = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        step = f"name {public_file(path).name}" if b"PRIVATE KEY" in content else "name its file"
        raise TrustError(bounded(f"{path}: expected a public key as PEM, found none; {step}")) from error
    if not isinstance(found, Ed25519PublicKey):
        raise TrustError(f"{path}: expected an Ed25519 key, found another kind; headrace keys new makes one")
    return PublicKey(found.public_bytes_raw().hex())


def public_file(path: Path) -> Path:
    """Return where the public key of the private one in PATH lies."""
    return path.with_name(f"{path.name}.pub")


def _key(private: Ed25519PrivateKey) -> Key:
    return Key(private, PublicKey(private.public_key().public_bytes_raw().hex()))


def _create(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()
        raise


def _content(path: Path) -> tuple[bytes, int]:
    """Return what the file at PATH holds, and its mode; raise TrustError if it is too long for a key."""
    with path.open("rb") as file:
        content = file.read(MAX_KEY_FILE + 1)
        if len(content) > MAX_KEY_FILE:
            raise TrustError(f"{path}: expected a key, found more than {MAX_KEY_FILE} bytes; name its file")
        return content, os.fstat(file.fileno()).st_mode
