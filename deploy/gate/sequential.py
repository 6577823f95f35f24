"""Evidence that may be looked at as often as one likes: e-processes for shares of devices. Pure.

Each device is one coin, tossed once. Evidence is ln E, where E begins at 1 and is expected to be at most 1 at
any time while the release is no worse. So (Ville 1939) the chance that E ever reaches 1/alpha, in any number
of looks, is at most alpha: a look costs nothing, and there is nothing to plan.

1. beyond(n, x, most): more than a share `most` of devices is hit. A likelihood ratio (Wald 1945) against
   shares of 2, 4, 8 ... times as many, mixed evenly (Robbins 1970).
2. against(n, x, m, y): a larger share than in the control arm. Universal inference (Wasserman, Ramdas and
   Balakrishnan 2020): the likelihood mixed over all pairs of shares (Krichevsky and Trofimov 1981, in each
   arm) over the largest one of a pair in which the release is no worse.
3. Where there is evidence, a hit more adds to it and a healthy device more takes from it. So whoever has not
   had its time may be counted in favour of the release: what is seen early is never more than what will be.

Both are functions of counts alone: nothing is kept between looks, and anyone can compute them again.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, lgamma, log, log1p, pi
from typing import Final

from deploy.bucket import MILLION

_SLACK: Final = 1e-5  # nats; rounding of lgamma at 2^25 devices stays below: evidence is told low by it
_LOG_PI: Final = log(pi)


def beyond(devices: int, hits: int, most: int) -> float:
    """Return the evidence, in nats, of HITS among DEVICES that more than MOST millionths are hit."""
    logs = [weight + hits * hit + (devices - hits) * miss for weight, hit, miss in _alternatives(most)]
    top = max(logs)
    return top + log(sum(exp(each - top) for each in logs)) - _SLACK


def against(devices: int, hits: int, control: int, control_hits: int) -> float:
    """Return the evidence, in nats, that devices are likelier hit than those of the control arm."""
    mixed = _mixed(devices, hits) + _mixed(control, control_hits)
    if hits * control > control_hits * devices:  # in the order that the null forbids: its best is one share
        return mixed - _likeliest(devices + control, hits + control_hits) - _SLACK
    return mixed - _likeliest(devices, hits) - _likeliest(control, control_hits) - _SLACK


@lru_cache(256)
def _alternatives(most: int) -> tuple[tuple[float, float, float], ...]:
    """Return (ln weight, what a hit adds, what a miss adds) per alternative to a share of MOST millionths."""
    shares = []
    share = 2 * most
    while share < MILLION:
        shares.append(share)
        share *= 2
    if not shares:
        shares = [(most + MILLION) // 2]
    weight = -log(len(shares))
    return tuple((weight, log(p / most), log1p((most - p) / (MILLION - most))) for p in shares)


def _mixed(devices: int, hits: int) -> float:
    """Return ln of the likelihood mixed over all shares by Beta(1/2, 1/2)."""
    return lgamma(hits + 0.5) + lgamma(devices - hits + 0.5) - lgamma(devices + 1) - _LOG_PI


def _likeliest(devices: int, hits: int) -> float:
    """Return ln of the largest likelihood of any share."""
    misses = devices - hits
    return (hits * log(hits / devices) if hits else 0.0) + (misses * log(misses / devices) if misses else 0.0)
