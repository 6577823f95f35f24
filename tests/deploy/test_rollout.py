"""Which release a device runs: laws over all rulesets, devices and profiles."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy import Cohort, Condition, Release, Ruleset, RulesetError, choose, surprises
from deploy.bucket import MILLION
from deploy.cohort import is_in

pytestmark = pytest.mark.device

TASKS = ("rank", "tag")
GRAPHS = ("a" * 64, "b" * 64)
NAMES = st.sampled_from([f"device-{n}" for n in range(30)])
PROFILES = st.fixed_dictionaries(
    {}, optional={"os": st.sampled_from(["android", "ios"]), "ram": st.integers(0, 9)}
)
WHERE = st.sampled_from(
    [
        (),
        (Condition("os", "in", ("ios",)),),
        (Condition("ram", "at_least", (4,)), Condition("os", "not_in", ("x",))),
    ]
)
COHORTS = st.builds(
    Cohort,
    st.sampled_from(["s", "t", "u"]),
    st.sampled_from([0, 600_000, MILLION, MILLION]),
    WHERE,
    st.frozensets(NAMES, max_size=2),
    st.frozensets(NAMES, max_size=2),
)
RELEASES = st.builds(
    Release,
    st.sampled_from(TASKS),
    st.sampled_from(["0" * 64, "1" * 64]),
    st.sampled_from(GRAPHS),
    COHORTS,
    st.integers(-1, 1),
    st.sampled_from([False, False, False, True]),
)
IDS = st.sampled_from([f"r{n}" for n in range(6)])
RULESETS = st.builds(
    Ruleset,
    st.just(1),
    st.dictionaries(IDS, RELEASES, min_size=2, max_size=6),
    st.sampled_from([frozenset(), frozenset(), frozenset({"rank"})]),
)


def naive(
    ruleset: Ruleset, device: str, profile: dict[str, object], graphs: set[str] | None
) -> dict[str, str]:
    """Return the choice as the rules read, without a thought of cost."""
    found = {}
    for task in {release.task for release in ruleset.releases.values()} - ruleset.halted_tasks:
        standing = [
            (release.priority, name)
            for name, release in ruleset.releases.items()
            if release.task == task
            and not release.halted
            and (graphs is None or release.graph_id in graphs)
            and is_in(release.cohort, device, profile)  # type: ignore[arg-type]
        ]
        if standing:
            found[task] = max(standing)[1]
    return found


@given(RULESETS, NAMES, PROFILES, st.none() | st.sets(st.sampled_from(GRAPHS)))
def test_the_choice_is_what_the_rules_say(
    ruleset: Ruleset, device: str, profile: dict[str, object], graphs: set[str] | None
) -> None:
    """Per task the release of the highest priority of those that stand, and none of a halted task."""
    found = choose(ruleset, device, profile, graphs)  # type: ignore[arg-type]
    assert found.releases == naive(ruleset, device, profile, graphs)
    assert set(found.halted) == ruleset.halted_tasks


@given(RULESETS, NAMES, PROFILES, st.randoms())
def test_the_order_of_releases_says_nothing(
    ruleset: Ruleset, device: str, profile: dict[str, object], random: object
) -> None:
    """However a ruleset was put together, it chooses alike and has the same bytes."""
    names = list(ruleset.releases)
    random.shuffle(names)  # type: ignore[attr-defined]
    other = replace(ruleset, releases={name: ruleset.releases[name] for name in names})
    assert choose(other, device, profile) == choose(ruleset, device, profile)  # type: ignore[arg-type]
    assert other.to_json() == ruleset.to_json()
    assert Ruleset.from_json(ruleset.to_json()) == ruleset


@given(RULESETS, IDS, NAMES, PROFILES)
def test_halting_a_release_moves_nobody_else(
    ruleset: Ruleset, halted: str, device: str, profile: dict[str, object]
) -> None:
    """Who ran it falls to what they would run without it; all others and other tasks stay."""
    if halted not in ruleset.releases:
        return
    release = ruleset.releases[halted]
    after = replace(ruleset, releases={**ruleset.releases, halted: replace(release, halted=True)})
    without = replace(ruleset, releases={n: r for n, r in ruleset.releases.items() if n != halted})
    old, new = choose(ruleset, device, profile), choose(after, device, profile)  # type: ignore[arg-type]
    assert new == choose(without, device, profile)  # type: ignore[arg-type]
    assert halted not in new.releases.values()
    if old.releases.get(release.task) != halted:
        assert new == old


@given(RULESETS, IDS, st.integers(0, MILLION), NAMES, PROFILES)
def test_growing_a_release_takes_nobody_from_it(
    ruleset: Ruleset, grown: str, share: int, device: str, profile: dict[str, object]
) -> None:
    """Who ran it runs it; who did not runs it now or what they ran before."""
    if grown not in ruleset.releases:
        return
    release = ruleset.releases[grown]
    cohort = replace(release.cohort, millionths=max(share, release.cohort.millionths))
    after = replace(ruleset, releases={**ruleset.releases, grown: replace(release, cohort=cohort)})
    old, new = (choose(rules, device, profile).releases for rules in (ruleset, after))  # type: ignore[arg-type]
    assert new.get(release.task) in {old.get(release.task), grown}
    assert {task: r for task, r in new.items() if task != release.task} == {
        task: r for task, r in old.items() if task != release.task
    }
    if old.get(release.task) == grown:
        assert new == old


@given(RULESETS, st.sampled_from(TASKS), NAMES, PROFILES)
def test_the_kill_switch_stops_one_task(
    ruleset: Ruleset, task: str, device: str, profile: dict[str, object]
) -> None:
    """No release of the task is chosen, the device is told to stop it, and other tasks stay."""
    after = choose(replace(ruleset, halted_tasks=ruleset.halted_tasks | {task}), device, profile)  # type: ignore[arg-type]
    before = choose(ruleset, device, profile).releases  # type: ignore[arg-type]
    assert after.releases == {other: name for other, name in before.items() if other != task}
    assert task in after.halted


def test_priority_goes_before_the_id() -> None:
    """The higher priority wins, whatever it is called; of equal ones the larger id."""
    one, two = (Release("rank", "0" * 64, GRAPHS[0], Cohort("s"), n) for n in (5, 4))
    assert choose(Ruleset(1, {"a": one, "b": two}), "d", {}).releases == {"rank": "a"}
    assert choose(Ruleset(1, {"b": two, "a": one}), "d", {}).releases == {"rank": "a"}
    assert choose(Ruleset(1, {"a": one, "b": one}), "d", {}).releases == {"rank": "b"}


def test_a_release_of_another_graph_is_not_chosen() -> None:
    """A device runs no model that was trained on a graph it does not have, whatever the priority."""
    one, two = (Release("rank", "0" * 64, graph, Cohort("s"), n) for n, graph in enumerate(GRAPHS))
    ruleset = Ruleset(1, {"one": one, "two": two})
    assert choose(ruleset, "d", {}).releases == {"rank": "two"}
    assert choose(ruleset, "d", {}, {GRAPHS[0]}).releases == {"rank": "one"}
    assert choose(ruleset, "d", {}, set()).releases == {}


@given(RULESETS)
def test_any_process_chooses_alike(ruleset: Ruleset) -> None:
    """A ruleset that went over the wire chooses as the one that was sent."""
    read = Ruleset.from_json(ruleset.to_json())
    for n in range(5):
        assert choose(read, f"device-{n}", {"ram": n}) == choose(ruleset, f"device-{n}", {"ram": n})


def test_another_hash_seed_writes_the_same_bytes() -> None:
    """Sets have no order of their own on the wire."""
    code = (
        "from deploy import *; c = Cohort('s', allow=frozenset(map(str, range(99))));"
        "r = Release('rank', '0' * 64, 'a' * 64, c);"
        "print(Ruleset(1, {'b': r, 'a': r}, frozenset({'x', 'y', 'z'})).to_json().decode())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


# ---------------------------------------------------------------- bad input

SOUND = json.loads(
    Ruleset(
        3, {"r": Release("rank", "0" * 64, "a" * 64, Cohort("s", 5, (Condition("os", "in", ("ios",)),)))}
    ).to_json()
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 0),
        (("version",), 2**60),
        (("format",), 2),
        (("odd",), 1),
        (("releases", "R!"), {}),
        (("releases", "r", "task"), "../x"),
        (("releases", "r", "bundle"), "A" * 64),
        (("releases", "r", "cohort", "millionths"), MILLION + 1),
        (("releases", "r", "cohort", "millionths"), -1),
        (("releases", "r", "cohort", "millionths"), 0.5),
        (("releases", "r", "cohort", "allow"), [1]),
        (("releases", "r", "cohort", "allow"), [str(n) for n in range(10_001)]),
        (("releases", "r", "cohort", "where"), [{"fact": "os", "op": "eval", "values": ["x"]}]),
        (("releases", "r", "cohort", "where"), [{"fact": "os", "op": "in", "values": []}]),
        (("releases", "r", "cohort", "where"), [{"fact": "os", "op": "below", "values": ["x"]}]),
    ],
    ids=str,
)
def test_a_ruleset_that_is_none_is_refused(path: tuple[str, ...], value: object) -> None:
    """Out of bounds, of another type or with unknown words: one line, and nothing is chosen."""
    document = json.loads(json.dumps(SOUND))
    at = document
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(RulesetError, match="ruleset: expected its JSON") as caught:
        Ruleset.from_json(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"null"])
def test_bytes_that_are_no_ruleset_are_refused(content: bytes) -> None:
    """No crash, one line."""
    with pytest.raises(RulesetError, match="ruleset: expected its JSON"):
        Ruleset.from_json(content)


def test_a_ruleset_has_one_form() -> None:
    """An allow list in another order is another text of the same rules, and is refused: its hash names it."""
    text = Ruleset(
        1, {"r": Release("t", "0" * 64, "a" * 64, Cohort("s", allow=frozenset({"a", "b"})))}
    ).to_json()
    with pytest.raises(RulesetError, match="expected canonical JSON"):
        Ruleset.from_json(text.replace(b'["a","b"]', b'["b","a"]'))


# ---------------------------------------------------------------- from one ruleset to the next

BASE = Release(
    "rank", "0" * 64, "a" * 64, Cohort("s", 500_000, (), frozenset({"x"}), frozenset({"y"})), halted=False
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bundle": "1" * 64}, "expected the bundle"),
        ({"priority": 5}, "expected the priority"),
        ({"cohort": replace(BASE.cohort, salt="t")}, "expected the salt"),
        ({"cohort": replace(BASE.cohort, millionths=499_999)}, "expected a share of 500000"),
        ({"cohort": replace(BASE.cohort, allow=frozenset())}, "expected its allow list to grow"),
        ({"cohort": replace(BASE.cohort, deny=frozenset())}, "expected its deny list to grow"),
        (
            {"cohort": replace(BASE.cohort, where=(Condition("os", "in", ("ios",)),))},
            "expected the conditions",
        ),
        ({"halted": True}, None),
        ({"cohort": replace(BASE.cohort, millionths=MILLION)}, None),
        ({"cohort": replace(BASE.cohort, allow=frozenset(), deny=frozenset({"x", "y"}))}, None),
    ],
)
def test_a_release_only_grows_or_halts(change: dict[str, object], said: str | None) -> None:
    """What would move devices that nobody meant to move is named."""
    found = surprises(Ruleset(1, {"r": BASE}), Ruleset(2, {"r": replace(BASE, **change)}))
    assert [said in text for text in found if said] == ([] if said is None else [True])
    assert bool(found) == (said is not None)


def test_versions_count_up_and_a_halt_stands() -> None:
    """A ruleset of the same version is refused, and so is a halted release that comes back."""
    halted = Ruleset(2, {"r": replace(BASE, halted=True)})
    assert "expected a version above 2" in surprises(halted, halted)[0]
    assert "expected a halted release to stay so" in surprises(halted, Ruleset(3, {"r": BASE}))[0]
    assert surprises(halted, Ruleset(3)) == []
