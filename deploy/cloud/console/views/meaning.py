"""What a version changes of another, meanings first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.task.changes import Changes, changes
from deploy.task.manifest import Manifest
from featuregraph.explain.change import Change, Changed, change
from featuregraph.graph import Graph

KINDS = (
    ("model", "model files"),
    ("scripts", "scripts"),
    ("files", "shared files"),
    ("exclusive", "exclusive files"),
    ("rest", "task"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """Features of one fate."""

    title: str
    features: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One bundle against another."""

    sections: tuple[Section, ...]
    unchanged: tuple[str, ...]
    others: tuple[tuple[str, tuple[str, ...]], ...]  # what else: a kind, and its names with a sign each
    said: str


def meaning(old: Manifest, old_graph: Graph, new: Manifest, new_graph: Graph) -> Meaning:
    """Return what changes when the bundle of NEW takes the place of OLD's."""
    made, diff = changes(old, old_graph, new, new_graph), change(old_graph, new_graph)
    others = tuple((title, getattr(made, kind)) for kind, title in KINDS if getattr(made, kind))
    return Meaning(tuple(_sections(diff)), diff.unchanged, others, _said(made, diff))


def _sections(diff: Change) -> Iterator[Section]:
    for title, features in (
        ("Every feature, by the graph's", diff.frame),
        ("Changed", diff.changed),
        ("Added", diff.added),
        ("Removed", diff.removed),
        ("Tables", diff.tables),
    ):
        if features:
            yield Section(title, features)


def _said(made: Changes, diff: Change) -> str:
    counts = ((len(diff.added), "added"), (len(diff.changed), "changed"), (len(diff.removed), "removed"))
    told = [f"{number} {word}" for number, word in counts if number]
    if told:
        return f"Features: {', '.join(told)}, {len(diff.unchanged)} unchanged."
    return "No feature means anything else." if made else "The same bundle."
