"""Where gates have led a release, and what they read off its devices. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from deploy.cloud.console import words
from deploy.cloud.console.rows import Window
from deploy.cloud.console.views.mark import Mark
from deploy.cloud.looks import Gate, Look, State
from deploy.gate.policy import Stage
from deploy.gate.reading import Reading

_OVER: Final[dict[State, Mark]] = {
    "stopped": Mark("stopped by its gate", "bad"),
    "halted": Mark("halted by a person", "bad"),
    "ended": Mark("ended by a person", "off"),
    "done": Mark("passed all stages", "good"),
}
_EFFECTS: Final = {"stop": Mark("stops it", "bad"), "pause": Mark("pauses it", "wait")}


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage."""

    size: str
    said: str  # passed, now, to come; how long it has lasted
    kind: str  # past, now, next; end: it came no farther


@dataclass(frozen=True, slots=True)
class Test:
    """One test at the last look."""

    name: str
    devices: str
    control: str
    part: float  # of what it needs
    said: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Led:
    """A release that gates lead."""

    mark: Mark
    why: str
    looked_ms: int
    rungs: tuple[Rung, ...]
    tests: tuple[Test, ...]
    can_pause: bool
    can_resume: bool


def led(gate: Gate, now_ms: int) -> Led:
    """Return how GATE stands at NOW_MS."""
    runs, look = gate.state == "running", gate.look
    readings = () if look is None else look.readings
    return Led(
        mark=gate_mark(gate),
        why="its gate has not looked yet" if look is None else look.why,
        looked_ms=gate.looked_ms,
        rungs=tuple(_rungs(gate, now_ms)),
        tests=tuple(
            sorted((_test(each, gate.stand.waived) for each in readings), key=lambda test: -test.part)
        ),
        can_pause=runs and not gate.stand.paused,
        can_resume=runs and gate.stand.paused,
    )


def gate_mark(gate: Gate) -> Mark:
    """Return how GATE's release stands."""
    if gate.state != "running":
        return _OVER[gate.state]
    stage = f"stage {gate.stand.stage + 1} of {len(gate.policy.stages)}"
    return Mark(f"paused in {stage}", "wait") if gate.stand.paused else Mark(stage, "live")


def turns(looks: Sequence[Look]) -> list[tuple[int, str]]:
    """Return when something happened, with a word each; LOOKS are the newest first."""
    return [(each.at_ms, f"{each.verdict}: {each.why}") for each in reversed(looks) if each.verdict != "wait"]


def coverage(looks: Sequence[Look], fleet: int, window: Window, steps: int) -> tuple[float | None, ...]:
    """Return which part of the devices that are meant entered, by the last look of each step."""
    found: list[float | None] = [None] * steps
    for look in reversed(looks):
        step = (look.at_ms - window.begin_ms) // window.step_ms
        meant = look.share * fleet / 1_000_000
        if 0 <= step < steps and meant >= 1:
            found[step] = min(1.0, look.devices / meant)
    return tuple(found)


def _rungs(gate: Gate, now_ms: int) -> Iterator[Rung]:
    at = len(gate.policy.stages) if gate.state == "done" else gate.stand.stage
    for place, stage in enumerate(gate.policy.stages):
        if place < at:
            yield Rung(_size(stage), "passed", "past")
        elif place > at:
            yield Rung(_size(stage), "to come", "next")
        elif gate.state == "running":
            least, stood = words.span(stage.least_s), words.span((now_ms - gate.stand.since_ms) / 1_000)
            yield Rung(_size(stage), f"now, for {stood} of {least} at least", "now")
        else:
            yield Rung(_size(stage), "ended here", "end")


def _size(stage: Stage) -> str:
    if stage.devices is not None:
        return f"{words.brief(stage.devices)} devices"
    return words.share(stage.millionths or 0)


def _test(reading: Reading, waived: tuple[str, ...]) -> Test:
    drifts = reading.test.startswith("drift")
    devices = f"{words.count(reading.hits)} values" if drifts else _of(reading.hits, reading.devices)
    control = words.NONE if not reading.control else _of(reading.control_hits, reading.control)
    part = max(0.0, reading.value / reading.need) if reading.need else 0.0
    unit = "PSI" if drifts else "evidence"
    said = f"{unit} {max(reading.value, 0):.2f} of {reading.need:.2f}"
    return Test(reading.test, devices, words.NONE if drifts else control, part, said, _mark(reading, waived))


def _mark(reading: Reading, waived: tuple[str, ...]) -> Mark:
    if not reading.fires:
        return Mark("quiet", "good")
    if reading.test in waived:
        return Mark("waived", "off")
    return Mark("the control arm too", "wait") if reading.shared else _EFFECTS[reading.effect]


def _of(hits: int, devices: int) -> str:
    return f"{words.count(hits)} of {words.count(devices)}"
