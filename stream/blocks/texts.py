"""Lists of texts as bytes, in the smallest of some exact forms.

    Keyed     few distinct texts: each once, and a number per value
    Hex       texts of one length in lower-case hexadecimal, as bytes; with the dashes of a UUID or without
    Numbered  a prefix before a number, "i17" or "12.50": the number
    Plain     UTF-8, and the length of each

A form is taken only if it gives back the same texts: every writer checks what it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import msgspec
import numpy as np

from stream.blocks.ints import Int64s, Ints, Take, pack, pack_int64s, unpack
from stream.errors import BlockError

_UUID: Final = (8, 13, 18, 23)  # where the dashes stand
_UUID_DIGITS: Final = 32
_HEX: Final = frozenset("0123456789abcdef-")
_MOST_DIGITS: Final = 18  # any number of so many digits is an int64
_MOST_SCALE: Final = 18
_TRIED: Final = 4  # texts that tell whether a form is worth a try


class Plain(msgspec.Struct, array_like=True, frozen=True, tag="plain"):
    """Each text in UTF-8."""

    lengths: Ints
    size: int


class Hex(msgspec.Struct, array_like=True, frozen=True, tag="hex"):
    """Texts of SIZE bytes in hexadecimal."""

    size: int
    dashed: bool


class Numbered(msgspec.Struct, array_like=True, frozen=True, tag="numbered"):
    """PREFIX before a number with SCALE digits behind the point."""

    prefix: str
    scale: int
    numbers: Ints


class Keyed(msgspec.Struct, array_like=True, frozen=True, tag="keyed"):
    """COUNT distinct texts, and the number of one for each value."""

    entries: Plain | Hex | Numbered
    count: int
    codes: Ints


Direct = Plain | Hex | Numbered
Form = Direct | Keyed


class NumberedTexts:
    """Texts that are numbers behind a prefix."""

    def __init__(self, prefix: str, scale: int, numbers: Int64s) -> None:
        self.prefix = prefix
        self.scale = scale
        self.numbers = numbers

    def cut(self, first: int, last: int) -> NumberedTexts:
        """Return the values from FIRST to before LAST."""
        return NumberedTexts(self.prefix, self.scale, self.numbers[first:last])

    def values(self) -> list[str]:
        """Return the texts."""
        return _written(self.prefix, self.scale, self.numbers.tolist())


class PlainTexts:
    """Texts, each as it is."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def cut(self, first: int, last: int) -> PlainTexts:
        """Return the values from FIRST to before LAST."""
        return PlainTexts(self.texts[first:last])

    def values(self) -> list[str]:
        """Return the texts."""
        return self.texts


class KeyedTexts:
    """A few texts, and which of them each value is."""

    def __init__(self, entries: NumberedTexts | PlainTexts, codes: Int64s) -> None:
        self.entries = entries
        self.codes = codes

    def cut(self, first: int, last: int) -> KeyedTexts:
        """Return the values from FIRST to before LAST."""
        return KeyedTexts(self.entries, self.codes[first:last])

    def values(self) -> list[str]:
        """Return the texts."""
        return list(map(self.entries.values().__getitem__, self.codes.tolist()))


Texts = NumberedTexts | PlainTexts | KeyedTexts


# ---------------------------------------------------------------- writing


def pack_texts(texts: list[str]) -> tuple[Form, bytes]:
    """Return TEXTS in the form that fits them."""
    distinct: dict[str, int] = dict.fromkeys(texts, 0)
    if 2 * len(distinct) > len(texts):
        return _direct(texts)
    entries, written = _direct(list(distinct))
    distinct = {text: code for code, text in enumerate(distinct)}
    codes, packed = pack(list(map(distinct.__getitem__, texts)))
    return Keyed(entries, len(distinct), codes), written + packed


def pack_keyed(texts: KeyedTexts) -> tuple[Form, bytes]:
    """Return what `pack_texts` does of TEXTS, of which some entries may be no value."""
    used, codes = np.unique(texts.codes, return_inverse=True)
    if 2 * len(used) > len(codes):
        return _direct(texts.values())
    entries = texts.entries.values()
    form, written = _direct([entries[code] for code in used.tolist()])
    numbers, packed = pack_int64s(codes)
    return Keyed(form, len(used), numbers), written + packed


def pack_numbered(texts: NumberedTexts) -> tuple[Form, bytes]:
    """Return what `pack_texts` does of TEXTS."""
    distinct, codes = np.unique(texts.numbers, return_inverse=True)
    if 2 * len(distinct) > len(codes):
        form, packed = pack_int64s(texts.numbers)
        return Numbered(texts.prefix, texts.scale, form), packed
    form, written = pack_int64s(distinct)
    numbers, packed = pack_int64s(codes)
    return Keyed(Numbered(texts.prefix, texts.scale, form), len(distinct), numbers), written + packed


def _direct(texts: list[str]) -> tuple[Direct, bytes]:
    return _as_hex(texts) or _as_numbers(texts) or _as_plain(texts)


def _as_plain(texts: Sequence[str]) -> tuple[Plain, bytes]:
    whole = "".join(texts).encode()
    ascii_only = len(whole) == sum(map(len, texts))
    sizes = list(map(len, texts if ascii_only else [text.encode() for text in texts]))
    lengths, packed = pack(sizes)
    return Plain(lengths, len(whole)), packed + whole


def _as_hex(texts: Sequence[str]) -> tuple[Hex, bytes] | None:
    dashed = len(texts[0]) == _UUID_DIGITS + len(_UUID) and texts[0][_UUID[0]] == "-"
    size = _UUID_DIGITS if dashed else len(texts[0])
    if size % 2 or not size or not _HEX.issuperset(texts[0]):
        return None
    digits = [text.replace("-", "") for text in texts] if dashed else texts
    if set(map(len, digits)) != {size}:
        return None
    joined = "".join(digits)
    try:
        packed = bytes.fromhex(joined)
    except ValueError:
        return None
    form = Hex(size // 2, dashed)
    # fromhex skips spaces and takes capitals; a dash may stand elsewhere.
    if packed.hex() != joined or (dashed and _of_hex(form, len(texts), packed) != texts):
        return None
    return form, packed


def _as_numbers(texts: Sequence[str]) -> tuple[Numbered, bytes] | None:
    prefix = _common(min(texts), max(texts)).rstrip("0123456789.")
    start = len(prefix)
    scale = len(texts[0][start:].partition(".")[2])
    if scale > _MOST_SCALE or not _numbers(texts[:_TRIED], prefix, scale):
        return None
    numbers = _numbers(texts, prefix, scale)
    if numbers is None:
        return None
    form, packed = pack(numbers)
    return Numbered(prefix, scale, form), packed


def _common(one: str, other: str) -> str:
    """Return what both texts begin with; of the first and last of many, what all begin with."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return one[:same]


def _numbers(texts: Sequence[str], prefix: str, scale: int) -> list[int] | None:
    """Return the numbers behind PREFIX, None unless they are written in this one way."""
    if max(map(len, texts)) > len(prefix) + _MOST_DIGITS:
        return None
    tails = [text[len(prefix) :] for text in texts] if prefix else texts
    try:
        numbers = list(map(int, [tail.replace(".", "", 1) for tail in tails] if scale else tails))
    except ValueError:
        return None
    return numbers if _written("", scale, numbers) == tails else None


# ---------------------------------------------------------------- reading


def unpack_texts(form: Form, count: int, take: Take) -> Texts:
    """Return the COUNT texts of FORM."""
    if not isinstance(form, Keyed):
        return _unpack_direct(form, count, take)
    if form.count > count:
        raise BlockError(f"expected at most {count} distinct texts, found {form.count}")
    entries = _unpack_direct(form.entries, form.count, take)
    codes = unpack(form.codes, count, take)
    if count and not 0 <= int(codes.min()) <= int(codes.max()) < form.count:
        raise BlockError(f"expected numbers of {form.count} texts, found one beyond")
    return KeyedTexts(entries, codes)


def _unpack_direct(form: Direct, count: int, take: Take) -> NumberedTexts | PlainTexts:
    match form:
        case Numbered():
            if not 0 <= form.scale <= _MOST_SCALE:
                raise BlockError(f"expected at most {_MOST_SCALE} digits behind a point, found {form.scale}")
            return NumberedTexts(form.prefix, form.scale, unpack(form.numbers, count, take))
        case Hex():
            if form.size < 1 or (form.dashed and form.size * 2 != _UUID_DIGITS):
                raise BlockError(f"expected bytes in hexadecimal, found {form.size} of them each")
            return PlainTexts(_of_hex(form, count, take(form.size * count)))
        case Plain():
            return PlainTexts(_of_plain(form, count, take))


def _of_plain(form: Plain, count: int, take: Take) -> list[str]:
    lengths = unpack(form.lengths, count, take)
    if count and int(lengths.min()) < 0:
        raise BlockError("expected lengths of texts, found a negative one")
    whole = bytes(take(form.size))
    ends = np.cumsum(lengths).tolist()
    if (ends[-1] if ends else 0) != form.size:
        raise BlockError(f"expected texts of {form.size} bytes together, found other lengths")
    starts = [0, *ends[:-1]]
    if whole.isascii():
        text = whole.decode()
        return [text[start:end] for start, end in zip(starts, ends, strict=True)]
    return [whole[start:end].decode() for start, end in zip(starts, ends, strict=True)]


def _of_hex(form: Hex, count: int, packed: bytes | memoryview) -> list[str]:
    digits, width = packed.hex(), 2 * form.size
    texts = [digits[start : start + width] for start in range(0, width * count, width)]
    if form.dashed:
        return [f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts]
    return texts


def _written(prefix: str, scale: int, numbers: list[int]) -> list[str]:
    if scale:
        digits = [str(number).zfill(scale + 1) for number in numbers]
        return [f"{prefix}{text[:-scale]}.{text[-scale:]}" for text in digits]
    if prefix:
        return [f"{prefix}{number}" for number in numbers]
    return list(map(str, numbers))
