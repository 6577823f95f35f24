"""A key is read from its file only by who may read it, and one that is not a key is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import SSlibKey

from deploy.errors import TrustError
from deploy.trust import keys
from deploy.trust.keys import PublicKey

# RFC 8032, section 7.1, test 2.
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNED = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_a_signature_is_that_of_the_standard() -> None:
    """The vector of RFC 8032 holds, and a changed message or signature does not."""
    key = PublicKey(PUBLIC)
    assert key.made(SIGNED, b"\x72")
    assert not key.made(SIGNED, b"\x73")
    assert not key.made(SIGNED[:-2] + "01", b"\x72")
    assert not key.made("zz", b"\x72")


def test_a_key_is_called_as_tuf_calls_it() -> None:
    """Our id and that of securesystemslib are one."""
    found = SSlibKey.from_crypto(keys.generate().private.public_key())
    assert PublicKey(found.keyval["public"]).id == found.keyid


@pytest.mark.parametrize("passphrase", [None, b"four words are enough"])
def test_a_key_is_read_back(passphrase: bytes | None, tmp_path: Path) -> None:
    """With and without a passphrase; the private file is its owner's alone."""
    key = keys.generate()
    keys.write(tmp_path / "root", key, passphrase)
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o600
    found = keys.read(tmp_path / "root", passphrase)
    assert keys.read_public(tmp_path / "root.pub") == found.public == key.public
    assert key.public.made(found.sign(b"m"), b"m")
    assert "Ed25519PrivateKey" not in repr(key)


@pytest.mark.parametrize("there", ["root", "root.pub"])
def test_a_key_is_never_written_over(there: str, tmp_path: Path) -> None:
    """Either file in the way leaves both as they were."""
    (tmp_path / there).write_text("mine")
    with pytest.raises(FileExistsError):
        keys.write(tmp_path / "root", keys.generate())
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_what_may_not_be_used_is_refused(tmp_path: Path) -> None:
    """Each in one line that says what to do."""
    keys.write(tmp_path / "open", keys.generate())
    keys.write(tmp_path / "hidden", keys.generate(), b"word")
    (tmp_path / "text").write_bytes(b"no key\x00\xff")
    (tmp_path / "large").write_bytes(b"-" * 20_000)
    other = ec.generate_private_key(ec.SECP256R1())
    pem, plain = forms.Encoding.PEM, forms.NoEncryption()
    (tmp_path / "other").write_bytes(other.private_bytes(pem, forms.PrivateFormat.PKCS8, plain))
    (tmp_path / "other.pub").write_bytes(
        other.public_key().public_bytes(pem, forms.PublicFormat.SubjectPublicKeyInfo)
    )
    for name in ("text", "large", "other"):
        (tmp_path / name).chmod(0o600)
    for name, passphrase, said in (
        ("open", b"word", "expected no passphrase"),
        ("hidden", None, "expected a passphrase"),
        ("hidden", b"else", "found another passphrase"),
        ("text", None, "expected a private key as PEM, found other content"),
        ("large", None, "found more than 16384 bytes"),
        ("other", None, "expected an Ed25519 key"),
        ("open.pub", None, "found mode 644"),
    ):
        with pytest.raises(TrustError, match=said) as refused:
            keys.read(tmp_path / name, passphrase)
        assert "\n" not in str(refused.value)
    for name, said in (
        ("open", "expected a public key as PEM, found none; name open.pub"),
        ("text", "found none; name its file"),
        ("other.pub", "expected an Ed25519 key"),
    ):
        with pytest.raises(TrustError, match=said):
            keys.read_public(tmp_path / name)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """Whoever could read it could sign."""
    keys.write(tmp_path / "root", keys.generate())
    for mode in (0o640, 0o604, 0o601):
        (tmp_path / "root").chmod(mode)
        with pytest.raises(TrustError, match="its owner alone may use"):
            keys.read(tmp_path / "root")


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, " " * 64])
def test_a_public_key_is_64_digits(text: str) -> None:
    """Other text is none."""
    with pytest.raises(TrustError, match="expected 64 hexadecimal digits"):
        PublicKey(text)
