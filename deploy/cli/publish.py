"""`headrace publish`: a bundle and its version go to a service."""

from __future__ import annotations

from itertools import takewhile
from typing import Annotated

import typer

from deploy.bundle.refs import resolve
from deploy.cli.options import REF_HELP, StoreOption, store_of
from deploy.cli.remote import ServiceOption, TokenOption, remote
from deploy.task.version import ancestry
from headrace import console


def publish(
    ref: Annotated[str, typer.Argument(help=REF_HELP)],
    service: ServiceOption = "",
    token: TokenOption = "",
    store: StoreOption = None,
    json: console.JsonOption = False,
) -> None:
    """Send a bundle to a service.

    Only what it lacks is sent, from where a line was cut. A version of a store is committed too, after those
    before it.
    """
    home = store_of(store)
    found = resolve(ref, home)
    far = remote(service, token)
    sent = dict(far.publish(found.bundle))
    if found.version is not None and home is not None:
        head = far.head(found.version.task)
        lacking = takewhile(lambda version: version.id != head, ancestry(found.version.id, home.version))
        for step in reversed(list(lacking)):
            sent |= far.publish(home.bundle(step.bundle))
            far.commit(step)
    if json:
        version = found.version and found.version.id
        console.emit_json({"bundle": found.bundle.id, "version": version, "sent": sum(sent.values())})
        return
    console.say(f"bundle {found.bundle.id}")
    console.note(f"sent {sum(sent.values()):,} bytes of {found.bundle.manifest.size:,}")
