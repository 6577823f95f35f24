"""How a release reaches a fleet of any size: an estimate in shares of devices, with its assumptions.

1. A device that is online asks within its poll, evenly. If requests of the app carry hints it asks, if that
   is sooner, after its first request (Poisson) and a jitter of (online devices / budget) seconds.
2. A device that is offline comes back after an exponential time, and asks within `spread_s`.
3. Then it downloads and waits for a quiet moment, an exponential time.

Times are independent, so shares are products and convolutions on a grid of seconds: nothing is drawn.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

Shares = NDArray[np.float64]  # by second, from 0
Share = Annotated[float, Meta(ge=0, le=1)]


class Assumptions(Struct, frozen=True):
    """What the estimate rests on."""

    devices: int = 22_000_000
    online: Share = 0.3  # of them, when the release begins
    back_h: float = 4.0  # mean hours until an offline device is online
    poll_s: int = 900
    requests_per_h: float = 60.0  # of an online device to the app's own service; 0: no hints
    budget: int = 20_000  # checks a second that hints may cause
    spread_s: int = 30  # within which a device asks once it is online
    install_s: float = 30.0  # mean time to download and to activate
    full_bytes: int = 3_200_000  # of what the release changes
    delta: Share = 0.0061  # of the full bytes: 1 % of an embedding's rows, zstd patch-from
    holds_old: Share = 0.98  # of devices, those that can use the delta
    answer_bytes: int = 700  # of a check that says something new
    checks_per_core_s: int = 20_000  # of the service, on kept connections; 4,000 with one for each check


class Estimate(Struct, frozen=True):
    """What follows. Times in seconds from the release, None where it is not reached within `hours`."""

    assumptions: Assumptions
    hours: int
    jitter_s: float
    t50_s: int | None  # until so many % of the devices that were online run it
    t90_s: int | None
    t99_s: int | None
    all_15min: float  # of all devices
    all_1h: float
    all_end: float
    peak_checks_per_s: float
    polls_per_s: float  # of that, what polling alone costs
    origin_bytes_per_device: float
    cpu_s_per_million_checks: float
    curve: tuple[tuple[int, float, float], ...]  # (second, share of those online, share of all), each minute


def estimate(given: Assumptions, hours: int = 24) -> Estimate:
    """Return how a release reaches a fleet within HOURS."""
    seconds = np.arange(hours * 3_600 + 1, dtype=np.float64)
    online = given.devices * given.online
    jitter_s = online / given.budget if given.requests_per_h else 0.0
    asked = 1 - (1 - _even(seconds, given.poll_s)) * (1 - _hinted(seconds, given.requests_per_h, jitter_s))
    later = _after(_exponential(seconds, given.back_h * 3_600), _even(seconds, given.spread_s))
    runs = _after(asked, _exponential(seconds, given.install_s))
    runs_later = _after(later, _exponential(seconds, given.install_s))
    everyone = given.online * runs + (1 - given.online) * runs_later
    polls = online / given.poll_s
    sooner = np.diff(online * asked + (given.devices - online) * later)
    checked_on = np.maximum(sooner, polls)  # who asked once goes on to poll
    return Estimate(
        given,
        hours,
        jitter_s,
        _reached(runs, 0.5),
        _reached(runs, 0.9),
        _reached(runs, 0.99),
        float(everyone[min(900, len(everyone) - 1)]),
        float(everyone[min(3_600, len(everyone) - 1)]),
        float(everyone[-1]),
        float(checked_on.max()),
        polls,
        given.answer_bytes + given.full_bytes * (1 - given.holds_old * (1 - given.delta)),
        1e6 / given.checks_per_core_s,
        tuple((n, float(runs[n]), float(everyone[n])) for n in range(0, len(runs), 60)),
    )


def _even(seconds: Shares, within: float) -> Shares:
    return np.minimum(seconds / within, 1) if within else np.ones_like(seconds)


def _exponential(seconds: Shares, mean: float) -> Shares:
    return -np.expm1(-seconds / mean) if mean else np.ones_like(seconds)


def _hinted(seconds: Shares, requests_per_h: float, jitter_s: float) -> Shares:
    if not requests_per_h:
        return np.zeros_like(seconds)
    return _after(_exponential(seconds, 3_600 / requests_per_h), _even(seconds, jitter_s))


def _after(first: Shares, then: Shares) -> Shares:
    """Return the shares of the sum of two independent times: one convolved with the other's density."""
    long = 1 << (2 * len(first)).bit_length()
    density = np.diff(then, prepend=0.0)
    summed = np.fft.irfft(np.fft.rfft(first, long) * np.fft.rfft(density, long), long)
    return np.clip(summed[: len(first)], 0.0, 1.0)


def _reached(shares: Shares, share: float) -> int | None:
    at = int(np.searchsorted(shares, share))
    return at if at < len(shares) else None
