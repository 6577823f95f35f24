"""cross and hash: operators on the text of values (SEMANTICS 5.3 and 5.4)."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import Any

from featuregraph.convert import text_of
from featuregraph.ir import Node
from featuregraph.scalar.overflow import OVERFLOW, Kernel, strict2

_UNIT_SEPARATOR = "\x1f"


def cross(node: Node) -> Kernel:
    """Return the kernel of cross: both texts with U+001F between them."""
    left, right = (text_of(arg.scalar) for arg in node.args)
    return strict2(lambda a, b: left(a) + _UNIT_SEPARATOR + right(b))


def hash_row(node: Node) -> Kernel:
    """Return the kernel of hash: an embedding's row from 1 to buckets - 1, row 0 for null."""
    type = node.args[0].scalar
    text, rows = text_of(type), node["buckets"] - 1
    # Copying a keyed state is cheaper than keying it anew.
    keyed = blake2b(digest_size=8, key=node["seed"].to_bytes(8, "little")).copy
    number = Struct("<Q").unpack

    def of_text(a: Any) -> Any:
        if a is None or a is OVERFLOW:
            return 0 if a is None else a
        state = keyed()
        state.update(a.encode())
        return number(state.digest())[0] % rows + 1

    def of_other(a: Any) -> Any:
        return of_text(a if a is None or a is OVERFLOW else text(a))

    return of_text if type.is_text else of_other
