"""What changes when one bundle takes another's place: meaning, model, files, scripts, needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.task.manifest import MODEL, Manifest
from featuregraph.graph import Graph


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of what is added, removed or changed, by kind; a sign stands before each: + - ~."""

    old: str
    new: str
    features: tuple[str, ...]  # by meaning: a feature whose definition is only written otherwise is no change
    model: tuple[str, ...]  # files of the model package other than the graph
    scripts: tuple[str, ...]
    files: tuple[str, ...]  # other shared files
    exclusive: tuple[str, ...]
    rest: tuple[str, ...]  # needs, description, contract

    def __bool__(self) -> bool:
        return self.old != self.new


def changes(old: Manifest, old_graph: Graph, new: Manifest, new_graph: Graph) -> Changes:
    """Return what changes when the bundle of NEW takes the place of OLD's."""
    diff = old_graph.diff(new_graph)
    signed = zip("+-~", (diff.added, diff.removed, diff.changed), strict=True)
    files = tuple(_signs(old.files, new.files))
    model = {f"{sign} {MODEL}{name}" for sign in "+-~" for name in ("graph.json", "manifest.json")}
    return Changes(
        old=old.id,
        new=new.id,
        features=tuple(f"{sign} {name}" for sign, names in signed for name in names),
        model=tuple(f for f in files if f[2:].startswith(MODEL) and f not in model),
        scripts=tuple(_signs(_scripts(old), _scripts(new))),
        files=tuple(f for f in files if not f[2:].startswith((MODEL, "scripts/"))),
        exclusive=tuple(_signs(old.exclusive, new.exclusive)),
        rest=tuple(_rest(old, new)),
    )


def _scripts(manifest: Manifest) -> dict[str, object]:
    return {name: (script, manifest.files[name]) for name, script in manifest.scripts.items()}


def _signs(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"+ {name}"
        elif name not in new:
            yield f"- {name}"
        elif old[name] != new[name]:
            yield f"~ {name}"


def _rest(old: Manifest, new: Manifest) -> Iterator[str]:
    for what in ("task", "description", "needs", "schema_sha256"):
        if getattr(old, what) != getattr(new, what):
            yield f"~ {what.replace('schema_sha256', 'contract')}"
