"""`headrace status`: what is released, how far gates let it, and what devices told of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from deploy.cli.remote import ServiceOption, TokenOption, remote
from deploy.gate.totals import Totals
from deploy.rollout import Ruleset
from headrace import console

_GATE = ("test", "release", "control", "evidence", "needed", "")


def status(
    name: Annotated[str, typer.Argument(help="A release's id, for all that its gate sees.")] = "",
    minutes: Annotated[int, typer.Option(help="Of the last so many minutes.", min=1, max=576_000)] = 60,
    service: ServiceOption = "",
    token: TokenOption = "",
    json: console.JsonOption = False,
) -> None:
    """Show what is released, and how far gates let it."""
    far = remote(service, token)
    rules = far.ruleset()
    gates = {gate["release"]: gate for gate in far.ask("GET", "/v1/gates")["gates"]}
    names = [name] if name else sorted(rules.releases)
    told = {each: far.ask("GET", f"/v1/releases/{each}/counters?minutes={minutes}") for each in names}
    if json:
        shown = {each: gates[each] for each in names if each in gates}
        console.emit_json({"ruleset": msgspec.to_builtins(rules), "gates": shown, "counters": told})
        return
    console.say(f"ruleset {rules.version}; halted tasks: {', '.join(sorted(rules.halted_tasks)) or 'none'}")
    columns = ("release", "task", "bundle", "share", "state", "active", "failed", "runs", "failures")
    console.print_table("", columns, [_row(rules, each, told[each], gates.get(each)) for each in names])
    if name:
        console.say(_counted(told[name], minutes))
    for each in names:
        if each in gates:
            console.say(_stands(gates[each]))
    if name in gates and (look := gates[name]["look"]) is not None:
        console.print_table("", _GATE, [_reading(each) for each in look["readings"]])


def _row(rules: Ruleset, name: str, told: dict[str, Any], gate: dict[str, Any] | None) -> tuple[str, ...]:
    one, states = rules.releases.get(name), told["states"]
    words = ("-", "-", "-", "ended")
    if one is not None:
        share = f"{one.cohort.millionths / 10_000:g}%"
        words = (one.task, one.bundle[:12], share, "halted" if one.halted else _state(gate))
    counts = (states.get("active", 0), states.get("failed", 0), told["runs"], told["failures"])
    return (name, *words, *(f"{count:,}" for count in counts))


def _state(gate: dict[str, Any] | None) -> str:
    if gate is None or gate["state"] != "running":
        return "in force"
    stand = gate["stand"]
    return f"stage {stand['stage'] + 1} of {len(gate['policy']['stages'])}" + (
        ", paused" if stand["paused"] else ""
    )


def _stands(gate: dict[str, Any]) -> str:
    """Return where a release stands, in one line."""
    look = gate["look"]
    state = "paused" if gate["stand"]["paused"] and gate["state"] == "running" else gate["state"]
    if look is None:
        return f"{gate['release']}: {state}, its gate has not looked yet"
    seen = f"{look['devices']:,} devices and {look['control']:,} of the control arm"
    return f"{gate['release']}: {state}, {seen}; {look['verdict']}: {look['why']}"


def _counted(told: dict[str, Any], minutes: int) -> str:
    """Return what devices counted, in one line."""
    p99 = Totals(latency=told["latency"]).latency_us(990)
    runs = f"{told['runs']:,} runs" + ("" if p99 is None else f", 99 % within {p99:,} us")
    counters = "".join(f"; {name} {count:,}" for name, count in sorted(told["counters"].items())[:20])
    return f"last {minutes} minutes: {runs}, {told['crashes']:,} crashes{counters}"


def _reading(found: dict[str, Any]) -> tuple[str, ...]:
    arms = [f"{found[h]:,} of {found[d]:,}" for h, d in (("hits", "devices"), ("control_hits", "control"))]
    fires = f"{found['effect']}!" if found["value"] >= found["need"] else ""
    return (found["test"], *arms, f"{found['value']:.2f}", f"{found['need']:.2f}", fires)
