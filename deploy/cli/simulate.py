"""`headrace simulate`: releases before the gates, how a release reaches a fleet, and devices that act."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins

from deploy.simulate import plot
from deploy.simulate.estimate import Assumptions, Estimate
from deploy.simulate.estimate import estimate as estimated
from deploy.simulate.fleet import Ways
from deploy.simulate.gates import Outcome, outcome
from deploy.simulate.story import Load, Reached, Stopped, reach, stop
from deploy.simulate.world import FAILING, KINDS, SAME, World
from headrace import console

FAILED = 1
MOST_STOPPED, MOST_PAUSED, MOST_EXPOSED = 0.01, 0.05, 2_000  # what is to be reached, with 1,000 releases
_COLUMNS = ("release", "stopped", "paused", "exposed", "95 %", "most", "hours", "by")


def gates(
    releases: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal outcomes.")] = 1,
    json: console.JsonOption = False,
) -> None:
    """Put releases by the thousand before the gates.

    Releases that change nothing, and releases that harm in one way each, up to a stop, a pause or the end.
    The policy is the default, with a criterion for clicks. Fails where a figure is missed.
    """
    found = [outcome(kind, releases, seed) for kind in console.track(KINDS, "releasing")]
    missed = _missed({each.kind: each for each in found})
    if json:
        console.emit_json({"world": World(), "outcomes": found, "missed": missed})
    else:
        _print(found, missed)
    if missed:
        raise typer.Exit(FAILED)


def estimate(
    devices: Annotated[int, typer.Option(min=1, help="Of the fleet.")] = Assumptions().devices,
    online: Annotated[float, typer.Option(min=0, max=1, help="Share that is online.")] = Assumptions().online,
    requests: Annotated[
        float,
        typer.Option(min=0, help="An hour, of an online device, that can carry a hint; 0: polls alone."),
    ] = Assumptions().requests_per_h,
    poll: Annotated[int, typer.Option(min=1, help="Seconds between two checks.")] = Assumptions().poll_s,
    budget: Annotated[int, typer.Option(min=1, help="Checks a second by hints.")] = Assumptions().budget,
    hours: Annotated[int, typer.Option(min=1, max=720, help="How far to look.")] = 24,
    out: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw the curve.")] = None,
    json: console.JsonOption = False,
) -> None:
    """Estimate how a release reaches a fleet.

    With the assumptions beside it: coverage over time, checks a second, bytes a device, the service's CPU.
    """
    given = Assumptions(devices, online, poll_s=poll, requests_per_h=requests, budget=budget)
    found = estimated(given, hours)
    if out is not None:
        plot.coverage(found, out)
        console.note(f"written to {out}")
    if json:
        console.emit_json(to_builtins(found))
        return
    _print_estimate(found)


def fleet(
    devices: Annotated[int, typer.Option(min=1_000, max=1_000_000, help="Of the fleet.")] = Ways().devices,
    fails: Annotated[
        float, typer.Option(min=0.001, max=1, help="Share of devices on which the second release fails.")
    ] = 0.05,
    requests: Annotated[
        float,
        typer.Option(min=0, help="An hour, of an online device, that can carry a hint; 0: polls alone."),
    ] = Ways().requests_per_h,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal fleets.")] = 1,
    json: console.JsonOption = False,
) -> None:
    """Let devices act that run the real machine.

    On clocks, disks and networks that are made and fail. One release is good and goes to all at once; another
    fails on a share of devices, is stopped by the default gates and taken back. Fails where it is not.
    """
    ways = Ways(devices, requests_per_h=requests)
    reached = reach(ways, seed)
    stopped = stop(replace(ways, fails=fails), seed)
    if json:
        console.emit_json({"ways": ways, "reached": reached, "stopped": stopped})
    else:
        console.print_table("assumed", ("what", "value"), list(asdict(ways).items()))
        _print_reached(reached)
        _print_stopped(stopped)
    if stopped.verdict != "stop" or stopped.left:
        raise typer.Exit(FAILED)


def _print_reached(found: Reached) -> None:
    load = found.load
    rows = [
        ("50 %, 90 %, 99 % of those online, minutes", f"{found.t50_min}, {found.t90_min}, {found.t99_min}"),
        ("of all devices after an hour", found.coverage[-1]),
        ("checks a second, at most", load.peak_checks_per_s),
        ("bytes a device", load.bytes_per_device),
        *_cost(load),
    ]
    console.print_table("a good release to all at once", ("what", "value"), rows)


def _print_stopped(found: Stopped) -> None:
    rows = [
        ("verdict", found.verdict),
        ("devices that ran it", found.exposed),
        ("minutes until the stop", found.halt_min),
        (
            "minutes from the stop until 50 %, 99 % of them are back",
            f"{found.back50_min}, {found.back99_min}",
        ),
        ("devices that still run it after an hour", found.left),
        *_cost(found.load),
    ]
    console.print_table(f"a release that fails on {found.fails:.1%}", ("what", "value"), rows)
    console.say(found.why)


def _cost(load: Load) -> list[tuple[str, object]]:
    return [("steps of machines", load.steps), ("CPU s of the simulation", load.cpu_s)]


def _missed(found: dict[str, Outcome]) -> list[str]:
    """Return which figures are missed, a line each."""
    same, failing = found[SAME.name], found[FAILING.name]
    rows = (
        (same.stopped < MOST_STOPPED * same.releases, f"false stops: {same.stopped} of {same.releases}"),
        (same.paused < MOST_PAUSED * same.releases, f"false pauses: {same.paused} of {same.releases}"),
        (failing.stopped == failing.releases, f"missed: {failing.releases - failing.stopped}"),
        (failing.exposed_most <= MOST_EXPOSED, f"devices exposed: {failing.exposed_most}"),
    )
    return [text for holds, text in rows if not holds]


def _print(found: list[Outcome], missed: list[str]) -> None:
    rows = [
        (
            each.kind,
            each.stopped,
            each.paused,
            round(each.exposed_mean) if each.stopped else None,
            each.exposed_95 if each.stopped else None,
            each.exposed_most if each.stopped else None,
            round(each.hours_mean, 1) if each.stopped else None,
            ", ".join(sorted(each.why)),
        )
        for each in found
    ]
    console.print_table(
        f"{found[0].releases:,} releases of each kind", _COLUMNS, rows, prose=("release", "by")
    )
    world = World()
    shares = ", ".join(f"{event} {share:.1%}" for event, share in world.shares.items())
    console.say(f"of {world.fleet:,} devices; without harm: {shares}")
    console.say("exposed, 95 %, most: devices that ran it by the time it was stopped")
    for text in missed:
        console.say(f"missed: {text}")


def _print_estimate(found: Estimate) -> None:
    assumed = to_builtins(found.assumptions)
    console.print_table("assumed", ("what", "value"), list(assumed.items()))
    follows = to_builtins(found)
    rows = [(told, follows[name]) for name, told in _NAMES.items()]
    console.print_table("follows", ("what", "value"), rows)


_NAMES = {
    "jitter_s": "jitter of hints, s",
    "t50_s": "50 % of those online, s",
    "t90_s": "90 % of those online, s",
    "t99_s": "99 % of those online, s",
    "all_15min": "of all devices after 15 minutes",
    "all_1h": "of all devices after an hour",
    "all_end": "of all devices at the end",
    "peak_checks_per_s": "checks a second, at most",
    "polls_per_s": "of that polling",
    "origin_bytes_per_device": "bytes a device",
    "cpu_s_per_million_checks": "CPU s per million checks",
}
