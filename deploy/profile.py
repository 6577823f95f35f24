"""What is known of a device or its user: facts by name, each text, number, flag or texts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from deploy.errors import RulesetError
from featuregraph.shown import bounded

MAX_FACTS: Final = 64
MAX_TEXT: Final = 256
MAX_TEXTS: Final = 64

FactName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Number = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]
Fact = bool | Number | Text | Annotated[tuple[Text, ...], Meta(max_length=MAX_TEXTS)]
Profile = Mapping[str, Fact]

_Facts = Annotated[dict[FactName, Fact], Meta(max_length=MAX_FACTS)]
_VERSION = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,7}", re.ASCII)


def read_profile(facts: object) -> Profile:
    """Return FACTS, decoded JSON of a device, as a profile; raise RulesetError if they are none."""
    try:
        return msgspec.convert(facts, _Facts)
    except (ValueError, RecursionError) as error:  # a text that no UTF-8 can say is a plain ValueError
        raise RulesetError(bounded(f"profile: expected facts by name, found: {error}; correct it")) from error


def version_key(text: str) -> tuple[int, ...] | None:
    """Return what orders dotted versions of numbers, None if TEXT is none; 9.1 comes before 10 and is 9.1.0.

    >>> version_key("9.1.0") == version_key("9.1") < version_key("10")
    True
    """
    if not _VERSION.fullmatch(text):
        return None
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
