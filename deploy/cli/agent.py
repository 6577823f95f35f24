"""`headrace agent`: a device that installs and runs what a service assigns to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from deploy.errors import InstallError
from headrace import console

if TYPE_CHECKING:
    from deploy.device.agent import Agent
    from deploy.device.kept import Kept, Task

Folder = Annotated[Path, typer.Argument(help="The device's folder, which one agent at a time uses.")]
ServiceOption = Annotated[
    str, typer.Option("--service", envvar="HEADRACE_SERVICE", help="The service's URL.", metavar="URL")
]
TokenOption = Annotated[
    str, typer.Option("--token", envvar="HEADRACE_TOKEN", help="The fleet's, of the role device.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="Who this is: an id in printable ASCII.")]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", help="The root.json that the device was shipped with; later ones are learnt."),
]
LogOption = Annotated[
    Path | None, typer.Option("--log", help="The device log; by default events.db in the folder.")
]
FactOption = Annotated[
    list[str] | None, typer.Option("--fact", metavar="NAME=VALUE", help="Of the profile; may be repeated.")
]
QuotaOption = Annotated[
    str, typer.Option("--quota", metavar="SIZE", help="Of all releases on the disk, such as 200MiB.")
]
MeteredOption = Annotated[bool, typer.Option("--metered", help="The network costs money: download nothing.")]
ScriptsOption = Annotated[bool, typer.Option("--allow-scripts", help="Take bundles that hold code.")]


def run(
    folder: Folder,
    device: DeviceOption,
    *,
    service: ServiceOption = "",
    token: TokenOption = "",
    root: RootOption = None,
    log: LogOption = None,
    fact: FactOption = None,
    quota: QuotaOption = "",
    metered: MeteredOption = False,
    allow_scripts: ScriptsOption = False,
) -> None:
    """Keep a device at what a service assigns, until a signal."""
    with _agent(
        folder,
        device,
        service=service,
        token=token,
        root=root,
        log=log,
        fact=fact,
        quota=quota,
        metered=metered,
        allow_scripts=allow_scripts,
    ) as agent:
        console.note(f"device {device} in {folder} asks {service}; stop it with Ctrl-C")
        agent.run(Event())


def check_once(
    folder: Folder,
    device: DeviceOption,
    *,
    service: ServiceOption = "",
    token: TokenOption = "",
    root: RootOption = None,
    log: LogOption = None,
    fact: FactOption = None,
    quota: QuotaOption = "",
    metered: MeteredOption = False,
    allow_scripts: ScriptsOption = False,
    within: Annotated[int, typer.Option(min=1, help="Seconds after which it gives up.")] = 600,
    json: console.JsonOption = False,
) -> int:
    """Ask once, install what is assigned, tell what runs."""
    from deploy.device.words import Hinted, Quiet

    with _agent(
        folder,
        device,
        service=service,
        token=token,
        root=root,
        log=log,
        fact=fact,
        quota=quota,
        metered=metered,
        allow_scripts=allow_scripts,
    ) as agent:
        agent.begin()
        agent.tell(Hinted())
        end = time.monotonic() + within
        while time.monotonic() < end:
            agent.tell(Quiet())
            wait_s = agent.turn()
            if agent.state.error or (agent.state.was_answered and not agent.state.works):
                break
            time.sleep(min(wait_s, 1))
        agent.flush()
        _tell(agent.state.kept, json=json)
        if agent.state.error:
            console.note(agent.state.error)
        return int(bool(agent.state.error or agent.state.works))


def status(folder: Folder, json: console.JsonOption = False) -> None:
    """Show what a device runs and what failed there.

    It may be asked while an agent runs.
    """
    from deploy.device.copies import look

    kept, damage = look(folder)
    if damage is not None:
        console.note(damage)
    _tell(kept, json=json)


def _tell(kept: Kept, *, json: bool) -> None:
    if json:
        console.emit_json(to_builtins(kept))
        return
    console.say(f"ruleset {kept.ruleset}")
    rows = [(name, *_said(task)) for name, task in sorted(kept.tasks.items())]
    console.print_table("", ("task", "runs", "state", "before", "next", "failed here"), rows)


def _said(task: Task) -> tuple[str, str, str, str, str]:
    state = "halted" if task.halted else "confirmed" if task.confirmed else "on trial"
    names = [one.release if one else "-" for one in (task.active, task.fallback, task.next)]
    return names[0], state if task.active else "built in", names[1], names[2], str(len(task.bad))


@contextmanager
def _agent(
    folder: Path,
    device: str,
    *,
    service: str,
    token: str,
    root: Path | None,
    log: Path | None,
    fact: list[str] | None,
    quota: str,
    metered: bool,
    allow_scripts: bool,
) -> Iterator[Agent]:
    """Give an agent over HTTP, with an engine on a log of its own or on LOG."""
    from deploy.device.agent import Agent
    from deploy.device.belief import BeliefByTargets
    from deploy.device.disk import Disk
    from deploy.device.http import Http
    from deploy.device.marks import Marks
    from deploy.device.ports import Asking
    from deploy.device.settings import Settings
    from deploy.device.words import Network
    from deploy.host import Host
    from deploy.profile import read_profile
    from deploy.task.policy import Policy
    from deploy.trust.client import TrustedTargets
    from deploy.wire.check import METADATA, TARGETS
    from stream import Engine, EventLog
    from stream.sizes import parse_size

    if not service.startswith(("http://", "https://")):
        raise InstallError("expected a service's URL, found none; give --service or HEADRACE_SERVICE")
    profile = read_profile(dict(_fact(text) for text in fact or ()))
    url = service.rstrip("/")
    disk = Disk(folder, quota_bytes=parse_size(quota) if quota else None)
    network = Http(url, token=token)
    try:
        shipped = None if root is None else root.read_bytes()
        targets = TrustedTargets(folder / "trust", url + METADATA, url + TARGETS, root=shipped)
        marks = Marks(folder / "running")
        with EventLog(log or folder / "events.db", shared=True) as events:
            host = Host(Engine(events), policy=Policy(scripts=allow_scripts), marks=marks)
            agent = Agent(
                Settings(device, patience_s=0),  # nobody here says when a moment is quiet
                disk,
                network,
                BeliefByTargets(targets),
                host,
                asking=Asking(profile),
                marks=marks,
            )
            agent.tell(Network(metered=metered))
            yield agent
            marks.close()
    finally:
        network.close()
        disk.close()


def _fact(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InstallError(f"expected a fact as NAME=VALUE, found {text!r:.60}; correct it")
    return name, value
