"""Releases before the gates, as `headrace simulate gates` puts a thousand: a few of each kind."""

from __future__ import annotations

import pytest

from deploy.simulate.gates import outcome
from deploy.simulate.world import FAILING, KINDS, SAME, Kind

pytestmark = pytest.mark.device


def test_harmless_releases_pass() -> None:
    """Of 20 none is stopped and none paused, in some eight thousand looks."""
    found = outcome(SAME, 20, seed=11)
    assert (found.done, found.stopped, found.paused) == (20, 0, 0)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_harmless], ids=lambda kind: kind.name)
def test_harmful_releases_are_stopped(kind: Kind) -> None:
    """Each of 20, by the test that is meant for its harm."""
    found = outcome(kind, 20, seed=11)
    assert found.stopped == 20
    if kind is FAILING:
        assert found.exposed_most <= 2_000
        assert found.exposed_mean <= 500


def test_equal_seeds_give_equal_outcomes() -> None:
    """Whoever doubts a figure can have it again."""
    assert outcome(FAILING, 5, seed=3) == outcome(FAILING, 5, seed=3) != outcome(FAILING, 5, seed=4)
