"""The estimate in shares is what devices do that are drawn one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy.simulate.estimate import Assumptions, estimate

pytestmark = pytest.mark.device


@pytest.mark.parametrize("requests", [0.0, 60.0])
def test_shares_are_those_of_devices_drawn_by_chance(requests: float) -> None:
    """200,000 devices, each with its own times: within a hundredth at every quarter of an hour."""
    given = Assumptions(requests_per_h=requests)
    found = estimate(given, 3)
    chance, many = np.random.default_rng(2), 200_000
    asked = chance.uniform(0, given.poll_s, many)
    if requests:
        hinted = chance.exponential(3_600 / requests, many) + chance.uniform(0, found.jitter_s, many)
        asked = np.minimum(asked, hinted)
    later = chance.exponential(given.back_h * 3_600, many) + chance.uniform(0, given.spread_s, many)
    runs, runs_later = (times + chance.exponential(given.install_s, many) for times in (asked, later))
    for second, online, everyone in found.curve[::15]:
        share, share_later = np.mean(runs <= second), np.mean(runs_later <= second)
        assert online == pytest.approx(share, abs=0.01)
        assert everyone == pytest.approx(given.online * share + (1 - given.online) * share_later, abs=0.01)
    assert found.t50_s == pytest.approx(np.quantile(runs, 0.5), rel=0.02)
    assert found.t99_s == pytest.approx(np.quantile(runs, 0.99), rel=0.02)


def test_checks_a_second_by_polls_and_by_hints() -> None:
    """Polls alone cost online / poll and those who come back; hints keep to the budget, and a tenth more."""
    given = Assumptions(requests_per_h=0.0)
    assert estimate(given, 1).polls_per_s == pytest.approx(22e6 * 0.3 / 900)
    assert estimate(given, 1).peak_checks_per_s == pytest.approx(7_333 + 22e6 * 0.7 / (4 * 3_600), rel=0.01)
    assert estimate(Assumptions(), 1).peak_checks_per_s < 1.15 * Assumptions().budget


def test_what_is_not_reached_is_none() -> None:
    """A fleet that asks once a day is not there after an hour."""
    assert estimate(Assumptions(poll_s=86_400, requests_per_h=0.0), 1).t50_s is None
    assert estimate(Assumptions(online=0.0), 1).all_15min > 0


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    """Where matplotlib is installed."""
    pytest.importorskip("matplotlib")
    from deploy.simulate import plot

    plot.coverage(estimate(Assumptions(), 1), tmp_path / "coverage.png")
    assert (tmp_path / "coverage.png").read_bytes().startswith(b"\x89PNG")
