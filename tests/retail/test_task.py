"""The ranking task: queries do not see their answers, measures are what they are called."""

from __future__ import annotations

import math

import numpy as np
import pytest

from headrace.retail import task
from headrace.retail.baselines import Histories, baselines
from headrace.retail.catalogue import catalogue, popularity, prices
from headrace.retail.quality import measure
from headrace.retail.slice import load

pytestmark = pytest.mark.device

RANKED = np.array([4, 2, 9, 7])


def test_baskets_are_the_held_out_invoices() -> None:
    """Every purchase line of the held-out days is in one basket, at the time of its invoice's first line."""
    log = load()
    found = task.baskets(log)
    assert all(task.HELD_OUT <= basket.ts_ms < task.END for basket in found)
    assert [b.ts_ms for b in found] == sorted(b.ts_ms for b in found)
    days = log.between(task.HELD_OUT, task.END)
    bought = {
        (int(c), int(i))
        for c, i, cancel in zip(log.customer[days], log.item[days], log.cancel[days], strict=True)
        if not cancel
    }
    assert {(basket.customer, int(item)) for basket in found for item in basket.items} == bought


def test_a_basket_is_not_in_its_own_history() -> None:
    """What a baseline sees of a customer ends strictly before the query."""
    log = load()
    histories = Histories(log)
    for basket in task.baskets(log)[:100]:
        _, _, age = histories.before(basket)
        assert (age > 0).all()


def test_the_catalogue_ends_before_its_day() -> None:
    """Popularity and prices know nothing of the day they are made for, and are empty before the log."""
    log = load()
    start = int(log.ts_ms[0])
    assert popularity(log, start, 30).sum() == 0
    assert prices(log, start).sum() == 0
    first = log.between(start, start + 1)
    assert set(np.flatnonzero(popularity(log, start + 1, 30))) == set(log.item[first].tolist())


def test_the_catalogue_is_aligned() -> None:
    """Each list of the catalogue has one value per item of the slice."""
    log = load()
    assert {len(values) for values in catalogue(log, task.HELD_OUT).values()} == {len(log.items)}


@pytest.mark.parametrize(
    ("relevant", "expected"),
    [
        ([4], 1.0),
        ([2], 1 / math.log2(3)),
        ([7, 9], (0.5 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))),
        ([1], 0.0),
        ([2, 4, 7, 9, 11, 12], 1.0),
    ],
)
def test_ndcg(relevant: list[int], expected: float) -> None:
    """Gains are discounted by log2 of the place, and divided by those of the best order of K places."""
    assert task.ndcg(RANKED, np.array(relevant), k=4) == pytest.approx(expected)


def test_hit() -> None:
    """A hit is any relevant item among the first K."""
    assert task.hit(RANKED, np.array([9]), k=3) == 1
    assert task.hit(RANKED, np.array([7]), k=3) == 0


def test_top_breaks_ties_by_position() -> None:
    """Equal scores keep the order of the catalogue."""
    assert task.top(np.array([1.0, 3.0, 3.0, 2.0]), 3).tolist() == [1, 2, 3]


def test_interval_is_seeded_and_holds_the_mean() -> None:
    """The same values give the same interval; it lies around the mean and shrinks with more queries."""
    values = np.random.default_rng(1).random(400)
    low, high = task.interval(values)
    assert (low, high) == task.interval(values)
    assert low < values.mean() < high
    few = task.interval(values[:40])
    assert few[1] - few[0] > high - low


def test_the_lead_is_over_the_best_of_the_others() -> None:
    """A ranking that always finds the basket leads the better of two others by their difference."""
    log = load()
    queries = task.baskets(log)[:50]
    scorers = baselines(log, task.HELD_OUT)
    rankings = {"all-knowing": [query.items[: task.K] for query in queries]}
    rankings |= {name: [task.top(score(query)) for query in queries] for name, score in scorers.items()}
    found, lead = measure(queries, rankings)
    assert found[0].ndcg.mean == pytest.approx(1.0)
    best = max(found[1:], key=lambda quality: quality.ndcg.mean)
    assert lead.over == best.ranking
    assert lead.ndcg.mean == pytest.approx(1 - best.ndcg.mean)
