"""`headrace task`: the history of a task, one version, what changed between two, and a bundle checked."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated

import typer
from msgspec import to_builtins

from deploy.bundle.bundle import Bundle
from deploy.bundle.bundlefile import write_bundle
from deploy.bundle.proof import graph_of, prove
from deploy.bundle.refs import resolve
from deploy.bundle.store import Store
from deploy.cli.options import REF_HELP, StoreOption, store_of
from deploy.task.card import card_text
from deploy.task.changes import Changes, changes
from deploy.task.version import Version
from featuregraph.explain import change, change_text
from featuregraph.times import format_time
from headrace import console

Ref = Annotated[str, typer.Argument(help=REF_HELP)]


def log(
    task: Annotated[str, typer.Argument(help="The task's name.")],
    store: Annotated[
        Path, typer.Option("--store", "-s", envvar="HEADRACE_STORE", help="Its folder of histories.")
    ],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    json: console.JsonOption = False,
) -> None:
    """Show a task's versions, the newest first.

    Each with what it changed, meanings first.
    """
    home = Store(store)
    versions: list[Version | None] = list(islice(home.history(task), limit + 1))
    steps = list(pairwise([*versions, None]))[:limit]
    told = [(new, _between(home, old, new)) for new, old in steps if new is not None]
    if json:
        console.emit_json([{**_fields(v), "changes": made and to_builtins(made)} for v, made in told])
        return
    for version, made in told:
        console.say(
            "\n".join([*_head(version), "", *(f"    {line}" for line in version.message.splitlines())])
        )
        console.say("".join(f"\n    {line}" for line in _summary(made)) + "\n" if made else "")


def show(ref: Ref, store: StoreOption = None, json: console.JsonOption = False) -> None:
    """Check a bundle, run its golden examples, show its card."""
    found = resolve(ref, store_of(store))
    card = prove(found.bundle).card
    version = found.version
    if json:
        console.emit_json({"version": version and _fields(version), "card": to_builtins(card)})
        return
    if version is not None:
        console.say("\n".join([*_head(version), ""]))
    console.say(card_text(card))


def diff(old: Ref, new: Ref, store: StoreOption = None, json: console.JsonOption = False) -> None:
    """Show what changes when one bundle takes another's place.

    What features mean comes first.
    """
    home = store_of(store)
    before, after = (resolve(ref, home).bundle for ref in (old, new))
    made = _changes(before, after)
    meaning = change(graph_of(before), graph_of(after))
    if json:
        console.emit_json({"changes": to_builtins(made), "graph": to_builtins(meaning)})
        return
    console.say(change_text(meaning))
    console.say("")
    for line in _summary(made)[1:]:
        console.say(line)


def export(
    ref: Ref,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write the bundle here.")],
    store: StoreOption = None,
) -> None:
    """Write a version's bundle as one file."""
    found = resolve(ref, store_of(store))
    size = write_bundle(found.bundle, out)
    console.note(f"written to {out}: bundle {found.bundle.id}, {size:,} bytes")


def _between(store: Store, old: Version | None, new: Version) -> Changes | None:
    if old is None:
        return None
    return _changes(store.bundle(old.bundle), store.bundle(new.bundle))


def _changes(old: Bundle, new: Bundle) -> Changes:
    return changes(old.manifest, graph_of(old), new.manifest, graph_of(new))


def _fields(version: Version) -> dict[str, object]:
    return {"id": version.id, **to_builtins(version)}


def _head(version: Version) -> list[str]:
    commit = version.commit
    place = f" ({commit.folder})" if commit and commit.folder else ""
    return [
        f"version {version.id}",
        f"bundle  {version.bundle}",
        f"author  {version.author}",
        f"date    {format_time(version.at_ms)}",
        *([f"commit  {commit.id}{place}"] if commit else []),
    ]


def _summary(made: Changes) -> list[str]:
    """Return one line per kind of change, the features first."""
    kinds = ("features", "model", "scripts", "files", "exclusive", "rest")
    lines = [f"{kind}: {', '.join(getattr(made, kind))}" for kind in kinds if getattr(made, kind)]
    return lines if made.features else ["features: no meaning changes", *lines]
