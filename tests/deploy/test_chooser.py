"""A ruleset made ready chooses as the one that is read: for every rule, device and profile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import Chooser, Cohort, Condition, Release, Ruleset, choose
from deploy.bucket import MILLION
from deploy.profile import Fact

pytestmark = pytest.mark.device

DEVICES = st.sampled_from([*(f"device-{n}" for n in range(12)), "", "\udcff"])
FACTS = st.one_of(
    st.booleans(),
    st.integers(-1, 1),
    st.sampled_from(["a", "1", "1.0", "1.9", "1.10", "2", ""]),
    st.lists(st.sampled_from(["a", "1"]), max_size=2).map(tuple),
)
PROFILES = st.dictionaries(st.sampled_from("fg"), FACTS)
VALUES = FACTS.filter(lambda fact: not isinstance(fact, tuple))
CONDITIONS = st.one_of(
    st.builds(
        Condition,
        st.sampled_from("fg"),
        st.sampled_from(["in", "not_in"]),
        st.lists(VALUES, min_size=1).map(tuple),
    ),
    st.builds(Condition, st.just("f"), st.just("has"), st.tuples(st.sampled_from(["a", "1"]))),
    st.builds(Condition, st.just("f"), st.sampled_from(["at_least", "below"]), st.tuples(st.integers(-1, 1))),
    st.builds(
        Condition,
        st.sampled_from("fg"),
        st.sampled_from(["version_at_least", "version_below"]),
        st.tuples(st.sampled_from(["1", "1.9", "1.10", "2.0"])),
    ),
)
COHORTS = st.builds(
    Cohort,
    st.sampled_from(["s", "t"]),
    st.sampled_from([0, 1, 300_000, 700_000, MILLION]),
    st.lists(CONDITIONS, max_size=2).map(tuple),
    st.frozensets(DEVICES, max_size=2),
    st.frozensets(DEVICES, max_size=2),
)
RELEASES = st.builds(
    Release,
    st.sampled_from(["rank", "tag"]),
    st.just("0" * 64),
    st.sampled_from(["a" * 64, "b" * 64]),
    COHORTS,
    st.integers(0, 1),
    st.sampled_from([False, False, True]),
)
RULESETS = st.builds(
    Ruleset,
    st.just(1),
    st.dictionaries(st.sampled_from("pqrstu"), RELEASES, max_size=6),
    st.frozensets(st.sampled_from(["rank", "other"]), max_size=1),
)


@given(RULESETS, st.lists(st.tuples(DEVICES, PROFILES), max_size=6), st.none() | st.sets(st.just("a" * 64)))
def test_it_chooses_as_the_rules_do(
    ruleset: Ruleset, asked: list[tuple[str, dict[str, Fact]]], graphs: set[str] | None
) -> None:
    """One Chooser answers for many devices what `choose` answers for each, as does one for their facts."""
    chooser = Chooser(ruleset, graphs)
    for device, profile in asked:
        assert chooser.choose(device, profile) == choose(ruleset, device, profile, graphs)
        narrowed = chooser.narrowed(profile)
        for other, _ in asked:
            assert narrowed.choose(other, {}) == choose(ruleset, other, profile, graphs)


@given(CONDITIONS, st.lists(FACTS, min_size=1, max_size=6))
def test_each_condition_is_the_same_function(condition: Condition, facts: list[Fact]) -> None:
    """Whatever the fact: of another type, missing, or a version that is none."""
    ruleset = Ruleset(1, {"r": Release("rank", "0" * 64, "a" * 64, Cohort("s", where=(condition,)))})
    chooser = Chooser(ruleset)
    for fact in facts:
        profile = {condition.fact: fact}
        assert chooser.choose("device", profile) == choose(ruleset, "device", profile)
