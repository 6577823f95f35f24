"""View models: what is shown, from rows alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

pytest.importorskip("sqlalchemy", reason="the extra service is not installed")

from deploy.cloud.audit import Entry
from deploy.cloud.console.rows import Began, Window
from deploy.cloud.console.views import cohort, deeds, edits
from deploy.cloud.console.views.drift import moved
from deploy.cloud.console.views.gate import coverage, gate_mark, led, turns
from deploy.cloud.console.views.mark import Mark, release_mark, task_mark
from deploy.cloud.console.views.table import failing, in_force, release_row
from deploy.cloud.console.windows import SPANS, window
from deploy.cloud.looks import Gate, Look
from deploy.cohort import Cohort, Condition
from deploy.gate.policy import Policy, Stage
from deploy.gate.reading import Reading
from deploy.gate.stage import Stand
from deploy.rollout import Release, Ruleset

MINUTE = 60_000


def of(millionths: int = 1_000_000, task: str = "rank", **more: object) -> Release:
    """Return a release."""
    return Release(task, "a" * 64, "b" * 64, Cohort("salt", millionths), **more)  # type: ignore[arg-type]


RULES = Ruleset(
    5,
    {
        "all": of(),
        "some": of(1_000),
        "some.control": of(4_000),
        "bad": of(halted=True),
        "off": of(task="feed"),
    },
    frozenset({"feed"}),
)


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("all", ("on all", "good")),
        ("some", ("on 0.1 %", "live")),
        ("some.control", ("control arm", "off")),
        ("bad", ("halted", "bad")),
        ("off", ("task halted", "bad")),
        ("gone", ("ended", "off")),
    ],
)
def test_how_a_release_stands(name: str, mark: Mark) -> None:
    """A word and a tone for each state."""
    assert release_mark(name, RULES, halted=False) == mark
    assert release_mark("gone", RULES, halted=True).word == "halted, then ended"
    assert [task_mark(t, RULES).word for t in ("rank", "feed", "none")] == [
        "released",
        "halted",
        "not released",
    ]


def test_what_needs_a_look_comes_first() -> None:
    """Halted ones, those under way with their control arms, then what is on all; nothing that ended."""
    rows = [release_row(Began(name, "rank", "", 1, 7, None), RULES, {}) for name in (*RULES.releases, "gone")]
    assert [row.name for row in in_force(rows)] == ["bad", "off", "some", "some.control", "all"]


def test_who_is_exposed_is_counted_by_a_gate() -> None:
    """A device that comes back begins twice and is one device; where no gate counts, what is told is said."""
    began, sums = Began("some", "rank", "", 1, 7, None), {"state:active": 81}
    assert release_row(began, RULES, sums).exposed == 81
    assert release_row(began, RULES, sums, gate()).exposed == 81
    row = release_row(began, RULES, sums, gate(look=Look(1, 1, "wait", "why", 1, 50)))
    assert (row.exposed, row.mark.word) == (50, "stage 2 of 3")


def test_failing_is_of_runs() -> None:
    """Failures and crashes of 1,000 runs; without runs nothing is known."""
    assert failing({"runs": 2_000, "failures": 3, "crashes": 1}) == 2
    assert failing({"failures": 3}) is None


def test_a_ruleset_is_told_by_what_it_changed() -> None:
    """Begun, grown, halted, ended; tasks halted and resumed; conditions and lists."""
    new = replace(
        RULES,
        releases={**RULES.releases, "some": of(5_000, halted=True), "new": of(10)},
        halted_tasks=frozenset({"rank"}),
    )
    del new.releases["all"]
    told = edits.told(RULES, new)
    assert told == [
        "all ends",
        "new begins, on 0.001 %",
        "some: halted",
        "some: 0.1 % → 0.5 %",
        "task rank is halted",
        "task feed is resumed",
    ]
    assert edits.told(RULES, RULES) == ["nothing"]
    other = replace(
        RULES,
        releases={
            **RULES.releases,
            "all": replace(
                of(), cohort=Cohort("salt", allow=frozenset({"a"}), where=(Condition("os", "in", ("ios",)),))
            ),
        },
    )
    assert edits.told(RULES, other) == ["all: other devices are allowed by name", "all: other conditions"]


def test_a_cohort_is_told_in_words() -> None:
    """Share, conditions and lists."""
    made = Cohort(
        "s",
        1_000,
        (Condition("os", "in", ("ios", True)), Condition("app", "version_at_least", ("9.1",))),
        frozenset({"a", "b"}),
        frozenset({"c"}),
    )
    assert cohort.told(made) == [
        "0.1 % of devices that fit",
        "os is ios or true",
        "app at least version 9.1",
        "2 allowed by name",
        "1 denied by name",
    ]


def gate(**more: object) -> Gate:
    """Return a gate in its second stage of three."""
    policy = Policy(stages=(Stage(devices=100), Stage(devices=1_000), Stage(millionths=1_000_000)))
    made = Gate("some", "rank", "a" * 64, "some.control", policy, 10_000, 0, Stand(1, 60 * MINUTE))
    return replace(made, **more)


def reading(**more: object) -> Reading:
    """Return a reading that fires."""
    made = Reading("failing: more than control", "stop", 100, 9, 400, 2, 12.0, 8.0)
    return replace(made, **more)


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (reading(), "stops it"),
        (reading(effect="pause"), "pauses it"),
        (reading(shared=True), "the control arm too"),
        (reading(value=1.0), "quiet"),
        (reading(test="drift of price"), "waived"),
    ],
)
def test_a_test_is_told_with_what_follows(one: Reading, word: str) -> None:
    """Fires or not, and what that does: nothing where it was waived or the control arm fails as well."""
    stand = Stand(1, 0, waived=("drift of price",))
    shown = led(gate(stand=stand, look=Look(1, 1, "wait", "why", 1, readings=(one,))), 0)
    assert [test.mark.word for test in shown.tests] == [word]


def test_the_way_of_a_release_is_a_ladder() -> None:
    """Stages passed, the one now with how long it lasts, those to come; an end is where it came."""
    rungs = led(gate(), 180 * MINUTE).rungs
    assert [rung.kind for rung in rungs] == ["past", "now", "next"]
    assert [rung.size for rung in rungs] == ["100 devices", "1k devices", "100 %"]
    assert rungs[1].said == "now, for 2 hours of 3 hours at least"
    assert [rung.kind for rung in led(gate(state="stopped"), 0).rungs] == ["past", "end", "next"]
    assert [rung.kind for rung in led(gate(state="done"), 0).rungs] == ["past", "past", "past"]
    assert [gate_mark(gate(state=s)).tone for s in ("running", "stopped", "halted", "ended", "done")] == [
        "live",
        "bad",
        "bad",
        "off",
        "good",
    ]
    paused = gate(stand=Stand(1, 0, paused=True))
    assert (gate_mark(paused).word, led(paused, 0).can_resume, led(paused, 0).can_pause) == (
        "paused in stage 2 of 3",
        True,
        False,
    )


def test_looks_are_turns_and_coverage() -> None:
    """What happened is a mark in time; coverage is of the devices that the share means, a whole at most."""
    looks = [
        Look(9 * MINUTE, 0, "stop", "bad", 1_000, 30),
        Look(4 * MINUTE, 0, "wait", "", 1_000, 5),
        Look(0, 0, "continue", "good", 1_000, 2),
    ]
    assert turns(looks) == [(0, "continue: good"), (9 * MINUTE, "stop: bad")]
    assert coverage(looks, 10_000, Window(0, 5, 96), 3) == (0.5, 1.0, None)


def test_drift_is_sorted_and_marked() -> None:
    """The farthest first, by the index of stability; features of one arm alone are left out."""
    same, far = {0: 500, 1: 500}, {0: 100, 1: 900}
    found = moved({"a": same, "b": far, "c": same}, {"a": same, "b": same})
    assert [(one.feature, one.mark.word, one.values) for one in found] == [
        ("b", "moved far", 1_000),
        ("a", "steady", 1_000),
    ]


@pytest.mark.parametrize(
    ("action", "what", "detail", "path", "why"),
    [
        ("release.halt", "november", '{"ruleset":7}', "/releases/november", "ruleset 7"),
        ("gate.stop", "november", '{"why":"failing","ruleset":8}', "/releases/november", "failing"),
        ("task.halt", "rank", "{}", "/tasks/rank", ""),
        (
            "version.commit",
            "a" * 64,
            '{"author":"ann","task":"rank"}',
            "/versions/" + "a" * 64,
            "task rank, author ann",
        ),
        ("token.add", "id", '{"role":"viewer"}', "", "role viewer"),
        (
            "gate.begin",
            "november",
            '{"rehearsed":{"events":1200,"asks":3,"p99_us":900,"error":""},"ruleset":8}',
            "/releases/november",
            "rehearsed on 1,200 events, 99 of 100 runs within 900 \u00b5s",
        ),
        ("gate.begin", "november", '{"rehearsed":null,"ruleset":8}', "/releases/november", "ruleset 8"),
        ("strange.deed", "it", "no JSON", "", ""),
        ("strange.deed", "it", "[1]", "", ""),
    ],
)
def test_a_deed_is_told_in_words(action: str, what: str, detail: str, path: str, why: str) -> None:
    """Each with the page about it and why; one that is not known by its own name."""
    deed = deeds.deed(Entry(1, 0, "id", "bob", action, what, detail))
    assert (deed.path, deed.why) == (path, why)
    assert deed.verb == "strange.deed" or "." not in deed.verb


@pytest.mark.parametrize("span", [*SPANS, None])
@pytest.mark.parametrize("now", [0, 1, 12_345_677, 29_000_000])
def test_a_window_ends_now_in_few_round_steps(span: str | None, now: int) -> None:
    """The minute NOW lies in the last of at most 96 steps, which begin at multiples of their width."""
    found, over = window(now, span, now - 100)
    assert over.begin % over.width == 0
    assert over.begin + over.width * (over.count - 1) <= now < over.begin + over.width * over.count
    least = SPANS[found] if span else 100
    assert least <= over.width * over.count <= SPANS[found] + over.width
    assert over.count <= 96
