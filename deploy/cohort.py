"""Who is in a cohort: conditions on a profile, lists of devices, and a share of the rest by bucket. Pure.

A device is in a cohort when, in this order:
1. it is on the deny list: no;
2. it is on the allow list: yes, whatever its facts and its bucket;
3. every condition holds of its profile, and its bucket is below the share.

A condition on a fact that the profile lacks, or that is of another type, does not hold, `not_in` and `absent`
included: nobody is chosen for what is not known of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy.bucket import MILLION, bucket, is_below
from deploy.errors import RulesetError
from deploy.profile import Fact, FactName, Number, Profile, Text, version_key

MAX_CONDITIONS: Final = 32
MAX_LISTED: Final = 10_000  # of one list: beyond that a cohort is a fact of the profile
MAX_VALUES: Final = 1_000

Op = Literal["in", "not_in", "has", "at_least", "below", "version_at_least", "version_below"]
Device = Annotated[str, Meta(min_length=1, max_length=256)]
Listed = Annotated[frozenset[Device], Meta(max_length=MAX_LISTED)]
Values = Annotated[tuple[bool | Number | Text, ...], Meta(min_length=1, max_length=MAX_VALUES)]


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """One fact compared with one value, or for `in` and `not_in` with several."""

    fact: FactName
    op: Op
    values: Values

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise RulesetError(f"condition on {self.fact!r}: {problem}")


class Cohort(Struct, frozen=True, forbid_unknown_fields=True):
    """A set of devices, given by a rule."""

    salt: Annotated[str, Meta(min_length=1, max_length=128)]
    millionths: Annotated[int, Meta(ge=0, le=MILLION)] = MILLION  # of those whom the conditions let in
    where: Annotated[tuple[Condition, ...], Meta(max_length=MAX_CONDITIONS)] = ()
    allow: Listed = frozenset()
    deny: Listed = frozenset()


def is_in(cohort: Cohort, device: str, profile: Profile) -> bool:
    """Tell whether DEVICE with PROFILE is in COHORT."""
    if device in cohort.deny:
        return False
    if device in cohort.allow:
        return True
    if not all(holds(condition, profile) for condition in cohort.where):
        return False
    return cohort.millionths == MILLION or is_below(bucket(cohort.salt, device), cohort.millionths)


def holds(condition: Condition, profile: Profile) -> bool:
    """Tell whether CONDITION holds of PROFILE."""
    fact = profile.get(condition.fact)
    return fact is not None and OPS[condition.op](fact, condition.values)


# ---------------------------------------------------------------- one comparison each


def _same(fact: Fact, value: Fact) -> bool:
    return type(fact) is type(value) and fact == value  # True is no 1


def _in(fact: Fact, values: Values) -> bool:
    return any(_same(fact, value) for value in values)


def _not_in(fact: Fact, values: Values) -> bool:
    return not isinstance(fact, tuple | list) and not _in(fact, values)


def _has(fact: Fact, values: Values) -> bool:
    return isinstance(fact, tuple | list) and values[0] in fact


def _at_least(fact: Fact, values: Values) -> bool:
    return _is_number(fact) and fact >= values[0]  # type: ignore[operator]


def _below(fact: Fact, values: Values) -> bool:
    return _is_number(fact) and fact < values[0]  # type: ignore[operator]


def _version_at_least(fact: Fact, values: Values) -> bool:
    key = version_key(fact) if isinstance(fact, str) else None
    return key is not None and key >= version_key(str(values[0]))  # type: ignore[operator]


def _version_below(fact: Fact, values: Values) -> bool:
    key = version_key(fact) if isinstance(fact, str) else None
    return key is not None and key < version_key(str(values[0]))  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


OPS: Mapping[Op, Callable[[Fact, Values], bool]] = {
    "in": _in,
    "not_in": _not_in,
    "has": _has,
    "at_least": _at_least,
    "below": _below,
    "version_at_least": _version_at_least,
    "version_below": _version_below,
}


def _problem(condition: Condition) -> str | None:
    """Return what is wrong with CONDITION's values, None if nothing is."""
    op, values = condition.op, condition.values
    if op in ("in", "not_in"):
        return None
    if len(values) != 1:
        return f"expected one value for {op}, found {len(values)}; write a condition each"
    value = values[0]
    if op == "has" and not isinstance(value, str):
        return f"expected a text for {op}, found {value!r:.40}; correct it"
    if op in ("at_least", "below") and not _is_number(value):
        return f"expected a whole number for {op}, found {value!r:.40}; correct it"
    if op.startswith("version") and (not isinstance(value, str) or version_key(value) is None):
        return f"expected a version such as '10.2' for {op}, found {value!r:.40}; correct it"
    return None
