"""Which of 2^64 buckets a device falls into, by the salt of a release. Pure; RFC 7693 for BLAKE2b.

1. bucket(salt, device) is the first 64 bits, big-endian, of BLAKE2b-256 of the salt's length in 8 bytes, the
   salt and the device's id, so that no two pairs are one text.
2. A device is below a share p when bucket < p x 2^64, p in millionths, in whole numbers: a growing share only
   adds devices, and no float decides about one.
3. Buckets under different salts are independent: who was early in one release is not early in each.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

MILLION: Final = 1_000_000  # parts of all devices: 1 is 22 of 22 million
_PERSON: Final = b"headrace bucket"  # 16 bytes at most; no other hash of the same text gives our buckets


def seed(salt: str) -> blake2b:
    """Return the hash of SALT, to be copied and given a device's id."""
    text = salt.encode("utf-8", "surrogatepass")
    return blake2b(len(text).to_bytes(8, "big") + text, digest_size=32, person=_PERSON)


def bucket(salt: str, device: str) -> int:
    """Return the bucket of DEVICE under SALT, 0 <= bucket < 2^64."""
    hashed = seed(salt)
    hashed.update(device.encode("utf-8", "surrogatepass"))
    return int.from_bytes(hashed.digest()[:8], "big")


def is_below(bucket: int, millionths: int) -> bool:
    """Tell whether BUCKET is below the share of MILLIONTHS of all buckets."""
    return bucket * MILLION < millionths << 64


def edge(millionths: int) -> int:
    """Return the least number that is not below the share of MILLIONTHS."""
    return -(-(millionths << 64) // MILLION)
