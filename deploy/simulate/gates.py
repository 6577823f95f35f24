"""A thousand releases before the gates: the real verdicts on two arms that are drawn by chance.

Per look, devices enter by the share of the stage; each is hit by chance, at a time by chance; the gate looks.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from deploy.gate.arm import Arm, Entrants
from deploy.gate.policy import Policy, counter
from deploy.gate.stage import Stand, size
from deploy.gate.verdict import Verdict, next_step
from deploy.simulate.world import Kind, World

POLICY: Final = Policy(criteria=(*Policy().criteria, counter("clicked")))
# When a hit is told, in looks after the entry: most at once, the rest within an hour; a device that is alive
# tells so hourly, at a time by chance.
_EARLY: Final = (0.5, 0.2, 0.15, 0.1, 0.05)
_HOURLY: Final = (0.2, 0.2, 0.2, 0.2, 0.2)


@dataclass(slots=True)
class Side:
    """One arm under way."""

    shares: dict[str, float]
    arm: Arm = field(default_factory=Arm)
    due: defaultdict[int, list[tuple[int, str, int]]] = field(default_factory=lambda: defaultdict(list))

    def enter(self, devices: int, minute: int, world: World, chance: np.random.Generator) -> None:
        """Let DEVICES enter in MINUTE, and draw when each event of theirs will be told."""
        if not devices:
            return
        entrants = self.arm.open.setdefault(minute, Entrants())
        entrants.devices += devices
        for event, share in self.shares.items():
            when = _HOURLY if event == "alive" else _EARLY
            told = chance.multinomial(chance.binomial(devices, share), when)
            for looks, hits in enumerate(told.tolist()):
                if hits:
                    self.due[minute + looks * world.look].append((minute, event, hits))

    def tell(self, minute: int, watch: int) -> None:
        """Count what is told in MINUTE."""
        for entry, event, hits in self.due.pop(minute, ()):
            if minute - entry < watch:
                found = self.arm.open[entry].hits
                found[event] = found.get(event, 0) + hits
        self.arm.settle(minute, watch)
        self.arm.last = minute


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one release."""

    verdict: Verdict  # of the last step: stop, pause or done
    exposed: int  # devices that ran it by then
    minutes: int
    why: str


def course(kind: Kind, world: World, policy: Policy, chance: np.random.Generator) -> Course:
    """Return what becomes of one release of KIND, until it is stopped, paused or done."""
    treated, control = Side({**world.shares, **kind.changed}), Side(world.shares)
    stand, minute = Stand(0, 0), 0
    entries = _entries(policy, stand.stage, world, 0, chance)
    while True:
        for side, coming in zip((treated, control), entries, strict=True):
            side.enter(coming.pop(minute, 0), minute, world, chance)
            side.tell(minute, policy.watch)
        step = next_step(policy, stand, (treated.arm, control.arm), world.fleet, 60_000 * minute)
        if step.verdict in ("stop", "pause", "done"):
            return Course(step.verdict, treated.arm.entered, minute, step.why)
        if step.verdict == "continue":
            stand = step.stand
            entries = _entries(policy, stand.stage, world, minute + world.look, chance)
        minute += world.look


def _entries(
    policy: Policy, stage: int, world: World, minute: int, chance: np.random.Generator
) -> tuple[dict[int, int], dict[int, int]]:
    """Return how many devices enter either arm, by minute, of a STAGE that begins at MINUTE."""
    wanted = size(policy, stage, world.fleet)
    fresh = wanted - (size(policy, stage - 1, world.fleet) if stage else 0)
    beside = min(policy.control * wanted, world.fleet - wanted)  # anew: the release took those before
    looks = -(-world.poll // world.look) + 1
    late = -(-world.install // world.look) * world.look

    def spread(devices: int, begin: int) -> dict[int, int]:
        drawn = chance.multinomial(chance.poisson(devices), [1 / looks] * looks).tolist()
        return {begin + look * world.look: count for look, count in enumerate(drawn)}

    return spread(fresh, minute + late), spread(beside, minute)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of many releases of one kind."""

    kind: str
    releases: int
    stopped: int
    paused: int
    done: int
    exposed_mean: float  # of those that were stopped; devices
    exposed_95: int
    exposed_most: int
    hours_mean: float
    why: dict[str, int]  # the tests that stopped or paused, by how often


def outcome(
    kind: Kind, releases: int = 1_000, seed: int = 1, world: World | None = None, policy: Policy = POLICY
) -> Outcome:
    """Return what becomes of so many RELEASES of KIND; equal seeds give equal outcomes."""
    world = world or World()
    courses = [course(kind, world, policy, np.random.default_rng((seed, n))) for n in range(releases)]
    stops = [each for each in courses if each.verdict == "stop"]
    exposed = sorted(each.exposed for each in stops) or [0]
    why: defaultdict[str, int] = defaultdict(int)
    for each in courses:
        if each.verdict != "done":
            why[each.why.partition(": ")[0]] += 1
    return Outcome(
        kind.name,
        releases,
        len(stops),
        sum(each.verdict == "pause" for each in courses),
        sum(each.verdict == "done" for each in courses),
        sum(exposed) / len(exposed),
        exposed[min(len(exposed) - 1, 95 * len(exposed) // 100)],
        exposed[-1],
        sum(each.minutes for each in stops) / max(len(stops), 1) / 60,
        dict(why),
    )
