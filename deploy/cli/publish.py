"""`headrace publish`: a bundle and its version go to a service, and its publishers vouch for it."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from deploy.bundle.refs import resolve
from deploy.cli.held import PassphraseFile, held
from deploy.cli.options import REF_HELP, StoreOption, store_of
from deploy.cli.remote import ServiceOption, TokenOption, remote
from deploy.task.version import ancestry
from headrace import console


def publish(
    ref: Annotated[str, typer.Argument(help=REF_HELP)],
    key: Annotated[
        list[Path] | None,
        typer.Option(
            "--key", "-k", metavar="FILE", help="A private key of the task, to vouch; may be given again."
        ),
    ] = None,
    service: ServiceOption = "",
    token: TokenOption = "",
    store: StoreOption = None,
    passphrase_file: PassphraseFile = None,
    json: console.JsonOption = False,
) -> None:
    """Send a bundle to a service, and vouch for it.

    Only what it lacks is sent, from where a line was cut. A version of a store is committed too, after those
    before it. The list that vouches for the bundle is signed here, with --key: the key stays here.
    """
    signing = held(key or (), passphrase_file)
    home = store_of(store)
    found = resolve(ref, home)
    far = remote(service, token)
    sent = dict(far.publish(found.bundle))
    version = None if found.version is None else found.version.id
    if found.version is not None and home is not None:
        head = far.head(found.version.task)
        lacking = takewhile(lambda version: version.id != head, ancestry(found.version.id, home.version))
        for step in reversed(list(lacking)):
            sent |= far.publish(home.bundle(step.bundle))
            far.commit(step)
    if signing:
        far.vouch(found.bundle.manifest, version, signing)
    if json:
        told = {"bundle": found.bundle.id, "version": version, "sent": sum(sent.values())}
        console.emit_json({**told, "vouched": bool(signing)})
        return
    console.say(f"bundle {found.bundle.id}")
    console.note(f"sent {sum(sent.values()):,} bytes of {found.bundle.manifest.size:,}")
    if not signing:
        console.note("devices take it once somebody vouches for it: give --key")
