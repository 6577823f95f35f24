"""What a change of graphs changes: each feature's meaning before and after, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from featuregraph.graph import Graph
from featuregraph.infix import infix, name_of, table_text


@dataclass(frozen=True, slots=True)
class Changed:
    """One feature whose meaning changes; None on the side that lacks it."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to each feature when one graph takes another's place."""

    old_id: str
    new_id: str
    frame: tuple[Changed, ...]  # key and include_now, which every feature's meaning depends on
    added: tuple[Changed, ...]
    removed: tuple[Changed, ...]
    changed: tuple[Changed, ...]
    tables: tuple[Changed, ...]  # what they are; a feature that looks into one of them changed with it
    unchanged: tuple[str, ...]


def change(old: Graph, new: Graph) -> Change:
    """Return what changes when NEW takes OLD's place; features are written out in full, to be compared."""
    diff = old.diff(new)

    def both(names: tuple[str, ...]) -> tuple[Changed, ...]:
        return tuple(Changed(name, _text(old, name), _text(new, name)) for name in names)

    frame = (
        Changed("key", ", ".join(old.key_columns), ", ".join(new.key_columns)),
        Changed("include_now", str(old.include_now).lower(), str(new.include_now).lower()),
    )
    return Change(
        old_id=old.id,
        new_id=new.id,
        frame=tuple(one for one in frame if one.old != one.new),
        added=both(diff.added),
        removed=both(diff.removed),
        changed=both(diff.changed),
        tables=_tables(old, new),
        unchanged=diff.unchanged,
    )


def _tables(old: Graph, new: Graph) -> tuple[Changed, ...]:
    was, now = ({name: table_text(table) for name, table in graph.tables.items()} for graph in (old, new))
    return tuple(
        Changed(name, was.get(name), now.get(name))
        for name in sorted({**was, **now})
        if was.get(name) != now.get(name)
    )


def _text(graph: Graph, feature: str) -> str | None:
    node = graph.features.get(feature)
    return None if node is None else infix(node)


def change_text(change: Change) -> str:
    """Return CHANGE as text, a line per side of each feature."""
    return "\n".join(_lines(change))


def _lines(change: Change) -> Iterator[str]:
    yield f"- graph {change.old_id}"
    yield f"+ graph {change.new_id}"
    for what, ones in (
        ("every feature, by the graph's", change.frame),
        ("added", change.added),
        ("removed", change.removed),
        ("changed", change.changed),
        ("tables", change.tables),
    ):
        if ones:
            yield ""
            yield f"{what}"
        for one in ones:
            if one.old is not None:
                yield f"  - {name_of(one.name)} = {one.old}"
            if one.new is not None:
                yield f"  + {name_of(one.name)} = {one.new}"
    yield ""
    yield f"unchanged: {', '.join(map(name_of, change.unchanged)) or 'none'}"
