"""`headrace pack`: a task's folder becomes a bundle, a version, or both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins

from deploy.bundle.bundlefile import write_bundle
from deploy.bundle.git import Origin, origin
from deploy.bundle.pack import Packed
from deploy.bundle.pack import pack as pack_folder
from deploy.bundle.store import Store
from deploy.cli.options import StoreOption
from deploy.errors import HistoryError, TaskError
from deploy.limits import MAX_LINE, MAX_MESSAGE
from deploy.task.card import card_text
from deploy.task.policy import Policy
from deploy.task.version import Version
from headrace import console
from stream.atomic import replacing


def pack(
    folder: Annotated[Path, typer.Argument(help="It has task.toml, model/ and what the task needs besides.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the bundle here, its card beside."),
    ] = None,
    store: StoreOption = None,
    message: Annotated[str, typer.Option("--message", "-m", help="Why this version is made.")] = "",
    author: Annotated[str, typer.Option(help="Who makes it.")] = "",
    git: Annotated[
        bool, typer.Option("--git", help="Take the files of a commit and record it, its author and message.")
    ] = False,
    allow_scripts: Annotated[
        bool, typer.Option("--allow-scripts", help="Let the bundle hold code, which its card says.")
    ] = False,
    json: console.JsonOption = False,
) -> None:
    """Make a task's folder a bundle, proved by its own examples."""
    if out is None and store is None:
        raise TaskError("expected a place for the bundle, found none; give --out FILE or --store FOLDER")
    came = origin(folder) if git else None
    packed = pack_folder(folder, Policy(scripts=allow_scripts))
    if git and origin(folder) != came:
        raise TaskError(f"{folder}: expected one commit while it was packed, found another; pack it again")
    version = None if store is None else _commit(Store(store), packed, author, message, came)
    card = packed.proof.card
    if out is not None:
        write_bundle(packed.bundle, out)
        with replacing(out.with_name(f"{out.name}.md")) as part:
            part.write_text(card_text(card), "utf-8")
    if packed.left_out:
        console.note(f"not packed: {', '.join(packed.left_out)}")
    if json:
        console.emit_json({"version": version and version.id, "card": to_builtins(card)})
        return
    console.say(card_text(card))
    if version is not None:
        console.say(f"version {version.id}")


def _commit(store: Store, packed: Packed, author: str, message: str, came: Origin | None) -> Version:
    """Keep PACKED as a version; what the author does not say is taken from the commit that it came from."""
    author = author or (_printable(came.author)[:MAX_LINE] if came else "")
    message = message or (_printable(came.message)[:MAX_MESSAGE] if came else "")
    if not author or not message:
        raise HistoryError("expected an author and a message of a version, found none; give --author and -m")
    manifest = packed.bundle.manifest

    def version(parent: str | None) -> Version:
        return Version(
            task=manifest.task,
            bundle=manifest.id,
            graph_id=manifest.graph_id,
            author=author,
            message=message,
            at_ms=time.time_ns() // 1_000_000,
            parent=parent,
            commit=came.commit if came else None,
        )

    return store.commit(packed.bundle, version)


def _printable(text: str) -> str:
    """Return what a commit says without signs that would steer a terminal."""
    return "".join(sign for sign in text if sign == "\n" or sign.isprintable())
