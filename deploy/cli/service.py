"""`headrace service`: a folder becomes a service, which runs, and says who may ask it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from headrace import console

Folder = Annotated[Path, typer.Argument(help="The service's folder.")]


def init(folder: Folder, json: console.JsonOption = False) -> None:
    """Make a folder a service, or bring it up to date.

    Settings, keys and rows that are there stay.
    """
    from deploy.cloud import serve

    key = serve.init(folder)
    if json:
        console.emit_json({"folder": str(folder), "key": key.id, "public": key.hex})
        return
    console.say(f"service in {folder}; its answers are signed by key {key.id}")
    console.note(
        "next: the ceremony, tokens, headrace service run; docs/how-to/release-to-a-fleet.md has all of it"
    )


def run(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where it listens; 0: any free one.")] = 8_000,
) -> None:
    """Serve until a signal.

    What was accepted is kept then.
    """
    from deploy.cloud import serve
    from deploy.simulate.rehearsal import rehearse

    serve.run(
        folder,
        host,
        port,
        lambda url: console.note(
            f"serving on {url} (console: {url}/console), stop it with Ctrl-C; folder {folder}"
        ),
        rehearse,
    )


def token(
    folder: Folder,
    role: Annotated[str, typer.Argument(help="publisher, releaser, viewer or device.")],
    name: Annotated[str, typer.Option("--name", "-n", help="Whose it is, for the audit log.")] = "",
) -> None:
    """Make a token and print its secret, this once."""
    from deploy.cloud import serve, tokens

    database = serve.opened(folder)
    try:
        who, secret = tokens.add(database, role, name or role, time.time_ns() // 1_000_000)  # type: ignore[arg-type]
    finally:
        database.close()
    console.say(secret)
    console.note(f"token {who.id} of a {role}; it is shown this once")


def tokens(folder: Folder, json: console.JsonOption = False) -> None:
    """List the tokens that are valid."""
    from deploy.cloud import serve
    from deploy.cloud import tokens as kept

    database = serve.opened(folder)
    try:
        found = sorted(kept.valid(database).values(), key=lambda who: (who.role, who.name, who.id))
    finally:
        database.close()
    if json:
        console.emit_json(found)
    else:
        console.print_table("", ("token", "role", "name"), [(who.id, who.role, who.name) for who in found])


def revoke(folder: Folder, token: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Let nobody come by a token any more."""
    from deploy.cloud import serve
    from deploy.cloud import tokens as kept

    database = serve.opened(folder)
    try:
        kept.revoke(database, token, time.time_ns() // 1_000_000)
    finally:
        database.close()
    console.note(f"token {token} is revoked; a running service knows within a second")
