"""Buckets and cohorts: laws that hold of every rule, device and profile."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import convert

from deploy import Cohort, Condition, RulesetError, read_profile
from deploy.bucket import MILLION, bucket, is_below
from deploy.cohort import Op, holds, is_in
from deploy.profile import Fact, version_key

pytestmark = pytest.mark.device

DEVICES = [f"device-{n}" for n in range(20_000)]
SHARES = st.integers(0, MILLION)
BUCKETS = st.integers(0, 2**64 - 1)
PARTS = st.lists(st.sampled_from([0, 0, 1, 9, 10]), min_size=1, max_size=4)


def test_buckets_are_fixed() -> None:
    """Every machine and version draws these: a change would move every device of every release."""
    assert bucket("salt", "device") == 0xF6ECB26390105B46
    assert bucket("", "") == 0x80FF972E33C18D1A
    assert bucket("s", "\udcff") == 0xF22080B0FEC18307


def test_no_two_pairs_are_one_text() -> None:
    """The salt's end is part of what is hashed."""
    assert len({bucket("ab", "c"), bucket("a", "bc"), bucket("", "abc"), bucket("abc", "")}) == 4


@given(BUCKETS, SHARES, SHARES)
def test_a_growing_share_only_adds(at: int, one: int, other: int) -> None:
    """Whoever is below a share is below each larger one; all are below all, none below none."""
    small, large = sorted((one, other))
    assert is_below(at, small) <= is_below(at, large)
    assert is_below(at, MILLION)
    assert not is_below(at, 0)


@given(SHARES)
def test_a_share_is_exact(millionths: int) -> None:
    """The buckets below a share are its part of 2^64, rounded up, to the last one."""
    edge = -(-(millionths << 64) // MILLION)
    assert edge == 0 or is_below(edge - 1, millionths)
    assert edge == 2**64 or not is_below(edge, millionths)


def test_buckets_are_even() -> None:
    """The chi-square of 64 bins over 20,000 devices is that of chance: 63 +- 5 deviations of 11.2."""
    counts = [0] * 64
    for device in DEVICES:
        counts[bucket("release-1", device) >> 58] += 1
    expected = len(DEVICES) / 64
    assert abs(sum((count - expected) ** 2 / expected for count in counts) - 63) < 5 * math.sqrt(126)


def test_salts_are_independent() -> None:
    """Who is early under one salt is early under another as often as chance has it."""
    early = [
        {device for device in DEVICES if is_below(bucket(salt, device), 100_000)} for salt in ("a", "b", "a2")
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(len(early[one] & early[other]) - 200) < 5 * math.sqrt(198)


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("op", "values", "yes", "no"),
    [
        ("in", ("android", "ios"), "android", "web"),
        ("in", (1,), 1, True),
        ("in", (True,), True, 1),
        ("not_in", ("android",), "ios", "android"),
        ("not_in", (1,), 2, ("x",)),
        ("has", ("beta",), ("alpha", "beta"), "beta"),
        ("at_least", (4,), 4, 3),
        ("at_least", (0,), 0, True),
        ("below", (4,), 3, 4),
        ("below", (4,), -1, "3"),
        ("version_at_least", ("9.10",), "9.10.1", "9.9"),
        ("version_at_least", ("10",), "10.0.0", "9.99"),
        ("version_at_least", ("1",), "1.0", "1.0-beta"),
        ("version_at_least", ("10.0",), "10", "9"),
        ("version_below", ("10",), "9.99", "10.0"),
        ("version_below", ("10",), "0", "x"),
    ],
)
def test_a_condition(op: Op, values: tuple[bool | int | str, ...], yes: Fact, no: Fact) -> None:
    """It holds of a fact of its type, and neither of another nor of none."""
    condition = Condition("fact", op, values)
    assert holds(condition, {"fact": yes})
    assert not holds(condition, {"fact": no})
    assert not holds(condition, {})
    assert not holds(condition, {"other": yes})


@pytest.mark.parametrize(
    ("op", "values"),
    [("has", ("a", "b")), ("has", (1,)), ("at_least", ("4",)), ("below", (True,)), ("version_below", ("x",))],
)
def test_a_condition_that_could_never_hold_is_refused(op: Op, values: tuple[bool | int | str, ...]) -> None:
    """When it is made, and when it is read."""
    with pytest.raises(RulesetError, match="condition on 'fact': expected"):
        Condition("fact", op, values)
    with pytest.raises(ValueError, match="condition on 'fact'"):
        convert({"fact": "fact", "op": op, "values": values}, Condition)


@given(PARTS, PARTS)
def test_versions_are_ordered_as_numbers(one: list[int], other: list[int]) -> None:
    """Part by part, a missing part being 0."""
    width = max(len(one), len(other))
    mine, theirs = (version_key(".".join(map(str, each))) for each in (one, other))
    assert mine is not None
    assert theirs is not None
    padded = [each + [0] * (width - len(each)) for each in (one, other)]
    assert (mine < theirs, mine == theirs) == (padded[0] < padded[1], padded[0] == padded[1])


@pytest.mark.parametrize(
    "facts",
    [None, [], {"A": 1}, {"a": 1.5}, {"a": None}, {"a": "x" * 300}, {"a": {}}, {"a": 1 << 60}, "\ud800"],
)
def test_facts_that_are_none_are_refused(facts: object) -> None:
    """One line; a profile is small and flat."""
    with pytest.raises(RulesetError, match="profile: expected facts by name"):
        read_profile(facts)
    assert read_profile({"a": 1, "b": ["x"], "c": True}) == {"a": 1, "b": ("x",), "c": True}


# ---------------------------------------------------------------- cohorts

FACTS = st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "1.2", "2"]))
PROFILES = st.dictionaries(st.sampled_from(["os", "version", "ram"]), FACTS)
CONDITIONS = st.one_of(
    st.builds(Condition, st.just("os"), st.sampled_from(["in", "not_in"]), st.tuples(FACTS)),
    st.builds(
        Condition, st.just("ram"), st.sampled_from(["at_least", "below"]), st.tuples(st.integers(-3, 3))
    ),
    st.builds(Condition, st.just("version"), st.just("version_below"), st.just(("2",))),
)
NAMES = st.sampled_from(DEVICES[:40])
LISTED = st.frozensets(NAMES, max_size=4)
COHORTS = st.builds(
    Cohort,
    st.sampled_from(["s", "t"]),
    st.sampled_from([0, 1, 250_000, 500_000, MILLION]),
    st.lists(CONDITIONS, max_size=3).map(tuple),
    LISTED,
    LISTED,
)


@given(COHORTS, NAMES, PROFILES)
def test_deny_before_allow_before_rules(cohort: Cohort, device: str, profile: dict[str, Fact]) -> None:
    """The three steps in their order, written a second time."""
    by_rule = all(holds(each, profile) for each in cohort.where) and is_below(
        bucket(cohort.salt, device), cohort.millionths
    )
    wanted = device not in cohort.deny and (device in cohort.allow or by_rule)
    assert is_in(cohort, device, profile) == wanted


@given(COHORTS, SHARES, LISTED, NAMES, PROFILES)
def test_growth_only_adds_devices(
    cohort: Cohort, share: int, more: frozenset[str], device: str, profile: dict[str, Fact]
) -> None:
    """A larger share and a longer allow list keep everyone who was in."""
    larger = max(cohort.millionths, share)
    grown = Cohort(cohort.salt, larger, cohort.where, cohort.allow | more, cohort.deny)
    assert is_in(cohort, device, profile) <= is_in(grown, device, profile)


@given(COHORTS, NAMES, PROFILES)
def test_the_order_of_conditions_says_nothing(cohort: Cohort, device: str, profile: dict[str, Fact]) -> None:
    """All must hold, in any order."""
    turned = Cohort(cohort.salt, cohort.millionths, cohort.where[::-1], cohort.allow, cohort.deny)
    assert is_in(turned, device, profile) == is_in(cohort, device, profile)


def test_a_ramp_is_sticky() -> None:
    """From 0.0001 % to all, nobody leaves, and each step has its share."""
    before: set[str] = set()
    for millionths in (1, 100, 10_000, 100_000, 500_000, MILLION):
        cohort = Cohort("ramp", millionths)
        now = {device for device in DEVICES if is_in(cohort, device, {})}
        assert before <= now
        share = millionths / MILLION
        spread = math.sqrt(len(DEVICES) * share * (1 - share))
        assert abs(len(now) - len(DEVICES) * share) <= 5 * spread + 1
        before = now
    assert len(before) == len(DEVICES)
