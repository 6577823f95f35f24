"""`headrace release`, `halt`, `resume`, `rollback`, `status`: what devices should run, from outside."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import typer

from deploy.bucket import MILLION
from deploy.cli.remote import ServiceOption, TokenOption, remote
from deploy.cloud.client import Remote, body_of
from deploy.cohort import OPS, Cohort, Condition
from deploy.errors import RulesetError, ServiceError
from deploy.rollout import Release, Ruleset
from headrace import console

_SHARE = re.compile(r"(\d{1,3})(?:\.(\d{1,4}))?%")
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
    end: Annotated[bool, typer.Option("--end", help="End it.")] = False,
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Offer a bundle to devices, let a release grow, or end it.

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
    _say(far.ask("PUT", f"/v1/releases/{name}", body_of(wanted), rules.version))


def halt(
    name: Annotated[str, typer.Argument(help="The release's id.")] = "",
    task: Annotated[str, typer.Option("--task", help="Or a whole task: it runs nowhere then.")] = "",
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Halt a release, or a whole task."""
    if bool(name) == bool(task):
        raise ServiceError("expected a release or a task, found both or none; give RELEASE or --task TASK")
    path = f"/v1/tasks/{task}/halt" if task else f"/v1/releases/{name}/halt"
    _say(remote(service, token).ask("POST", path))


def resume(
    task: Annotated[str, typer.Argument(help="The task's name.")],
    service: ServiceOption = "",
    token: TokenOption = "",
) -> None:
    """Let a halted task run again where its releases say so."""
    far = remote(service, token)
    _say(far.ask("POST", f"/v1/tasks/{task}/resume", seen=far.ruleset().version))


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


def status(
    name: Annotated[str, typer.Argument(help="A release's id, for all that is counted of it.")] = "",
    minutes: Annotated[int, typer.Option(help="Of the last so many minutes.", min=1, max=576_000)] = 60,
    service: ServiceOption = "",
    token: TokenOption = "",
    json: console.JsonOption = False,
) -> None:
    """Show what is released, and what devices told of it."""
    far = remote(service, token)
    rules = far.ruleset()
    names = [name] if name else sorted(rules.releases)
    told = {each: far.ask("GET", f"/v1/releases/{each}/counters?minutes={minutes}") for each in names}
    if json:
        console.emit_json({"ruleset": msgspec.to_builtins(rules), "counters": told})
        return
    console.say(f"ruleset {rules.version}; halted tasks: {', '.join(sorted(rules.halted_tasks)) or 'none'}")
    columns = ("release", "task", "bundle", "share", "state", "active", "failed", "runs", "failures")
    console.print_table("", columns, [_row(rules, each, told[each]) for each in names])


def millionths(text: str) -> int:
    """Return the share TEXT, such as 0.01%, in millionths.

    >>> millionths("0.01%"), millionths("100%")
    (100, 1000000)
    """
    match = _SHARE.fullmatch(text.strip())
    found = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0")) if match else -1
    if not 0 <= found <= MILLION:
        raise RulesetError(
            f"share: expected 0% to 100% with four decimals at most, found {text!r:.40}; correct it"
        )
    return found


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


def _row(rules: Ruleset, name: str, told: dict[str, Any]) -> tuple[str, ...]:
    one, states = rules.releases.get(name), told["states"]
    words = ("-", "-", "-", "ended")
    if one is not None:
        share = f"{one.cohort.millionths / 10_000:g}%"
        words = (one.task, one.bundle[:12], share, "halted" if one.halted else "in force")
    counts = (states.get("active", 0), states.get("failed", 0), told["runs"], told["failures"])
    return (name, *words, *(f"{count:,}" for count in counts))


def _say(changed: dict[str, int]) -> None:
    console.say(f"ruleset {changed['ruleset']} is in force")
