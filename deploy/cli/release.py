"""`headrace release`, `halt`, `pause`, `resume`, `rollback`: what devices should run, from outside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from deploy.cli.policy import millionths, policy_of
from deploy.cli.remote import ServiceOption, TokenOption, remote
from deploy.cloud.client import Remote, body_of
from deploy.cloud.staged import Wanted
from deploy.cohort import OPS, Cohort, Condition
from deploy.errors import RulesetError, ServiceError
from deploy.rollout import Release
from headrace import console

_WHERE = re.compile(r"(?P<fact>[a-z][a-z0-9_]*)(?P<sign>>=|<|=)(?P<value>.+)")
_SIGNS = {"=": "in", ">=": "version_at_least", "<": "version_below"}

Name = Annotated[str, typer.Argument(help="The release's id.")]


def release(
    name: Name,
    *,
    bundle: Annotated[
        str, typer.Option("--bundle", help="The bundle's id, of a new release.", metavar="ID")
    ] = "",
    share: Annotated[
        str, typer.Option("--share", help="Of all devices, such as 0.01% or 100%.", metavar="N%")
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", help="os=ios,android; app>=9.1; app<10; of a new release.", metavar="CONDITION"
        ),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="A device that runs it in any case.", metavar="DEVICE")
    ] = None,
    deny: Annotated[
        list[str] | None, typer.Option("--deny", help="A device that never runs it.", metavar="DEVICE")
    ] = None,
    priority: Annotated[int, typer.Option(help="Above others of its task, of a new release.")] = 0,
    gated: Annotated[
        bool,
        typer.Option("--gated", help="Gates lead it from a hundred devices to all, by the default policy."),
    ] = False,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Gates lead it by this policy, TOML or JSON.", metavar="FILE"),
    ] = None,
    stages: Annotated[
        str, typer.Option("--stages", help="Gates lead it in these stages: 100,1k,10%,100%.", metavar="LIST")
    ] = "",
    counter: Annotated[
        list[str] | None,
        typer.Option("--counter", help="Gates compare this counter, such as clicked.", metavar="NAME"),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(
            "--events",
            help="Gates let it run on this recording before any device, JSON Lines.",
            metavar="FILE",
        ),
    ] = None,
    fleet: Annotated[
        int, typer.Option("--fleet", help="How many devices its conditions let in.", min=0, metavar="N")
    ] = 0,
    control: Annotated[
        str, typer.Option("--control", help="Bundle of the control arm: base, none or an id.", metavar="ID")
    ] = "base",
    end: Annotated[bool, typer.Option("--end", help="End it.")] = False,
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Offer a bundle, by hand or by gates; let it grow, or end it.

    A share only grows; a release that is bad is halted.
    """
    far = remote(service, token)
    rules = far.ruleset()
    if end:
        _say(far.ask("DELETE", f"/v1/releases/{name}", seen=rules.version))
        return
    if bundle:
        wanted = _new(far, bundle, name, [_condition(each) for each in where or ()], priority)
    elif name in rules.releases:
        wanted = rules.releases[name]
    else:
        raise ServiceError(
            f"release {name!r:.80}: expected the bundle of a new one, found none; give --bundle"
        )
    cohort = msgspec.structs.replace(
        wanted.cohort,
        millionths=millionths(share) if share else wanted.cohort.millionths,
        allow=wanted.cohort.allow | set(allow or ()),
        deny=wanted.cohort.deny | set(deny or ()),
    )
    wanted = msgspec.structs.replace(wanted, cohort=cohort)
    if not (gated or policy or stages or counter or events):
        _say(far.ask("PUT", f"/v1/releases/{name}", body_of(wanted), rules.version))
        return
    if share or not bundle:
        raise ServiceError(
            f"release {name!r:.80}: expected a new bundle and no share where gates lead, found otherwise;"
            " give --bundle and --stages"
        )
    recording = "" if events is None else events.read_text("utf-8")
    led = Wanted(wanted, policy_of(policy, stages, counter or ()), fleet or None, recording, control)
    _say_begun(far.ask("PUT", f"/v1/releases/{name}/gate", body_of(led), rules.version))


def _say_begun(begun: Any) -> None:
    """Tell what a rehearsal found, if there was one, and the rules that BEGUN brought."""
    if (found := begun["rehearsed"]) is not None:
        over = f"over {found['events']:,} events: 99 % within {found['p99_us']:,} us"
        console.note(f"rehearsed {found['asks']:,} calls {over}")
    _say(begun)


def halt(
    name: Annotated[str, typer.Argument(help="The release's id.")] = "",
    task: Annotated[str, typer.Option("--task", help="Or a whole task: it runs nowhere then.")] = "",
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Halt a release, or a whole task."""
    _one_of(name, task)
    path = f"/v1/tasks/{task}/halt" if task else f"/v1/releases/{name}/halt"
    _say(remote(service, token).ask("POST", path))


def pause(name: Name, service: ServiceOption = "", token: TokenOption = "") -> None:
    """Let a release that gates lead stay in its stage.

    Its tests go on, and may stop it.
    """
    remote(service, token).ask("POST", f"/v1/releases/{name}/pause")
    console.say(f"{name} stays in its stage")


def resume(
    name: Annotated[str, typer.Argument(help="The release's id.")] = "",
    task: Annotated[str, typer.Option("--task", help="Or a whole task that was halted.")] = "",
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Let a paused release or a halted task go on."""
    _one_of(name, task)
    far = remote(service, token)
    if task:
        _say(far.ask("POST", f"/v1/tasks/{task}/resume", seen=far.ruleset().version))
        return
    far.ask("POST", f"/v1/releases/{name}/resume")
    console.say(f"{name} goes on from the begin of its stage")


def rollback(
    to: Annotated[int, typer.Argument(help="The version of the ruleset.", min=1)],
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Let an old ruleset be in force again, as a new version.

    What was halted since stays halted.
    """
    far = remote(service, token)
    _say(far.ask("POST", "/v1/ruleset/rollback", body_of({"to": to}), far.ruleset().version))


def _condition(text: str) -> Condition:
    match = _WHERE.fullmatch(text)
    if match is None:
        raise RulesetError(
            f"where: expected FACT=VALUE,VALUE, FACT>=VERSION or FACT<VERSION, found {text!r:.80}"
        )
    op = _SIGNS[match["sign"]]
    values = tuple(match["value"].split(",")) if op == "in" else (match["value"],)
    assert op in OPS
    return Condition(match["fact"], op, values)  # type: ignore[arg-type]


def _new(far: Remote, bundle: str, name: str, where: list[Condition], priority: int) -> Release:
    manifest = far.ask("GET", f"/v1/bundles/{bundle}")
    return Release(manifest["task"], bundle, manifest["graph_id"], Cohort(name, 0, tuple(where)), priority)


def _one_of(name: str, task: str) -> None:
    if bool(name) == bool(task):
        raise ServiceError("expected a release or a task, found both or none; give RELEASE or --task TASK")


def _say(changed: dict[str, int]) -> None:
    console.say(f"ruleset {changed['ruleset']} is in force")
