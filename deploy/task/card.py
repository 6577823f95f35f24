"""The card of a bundle: what it is, reads, needs and may do, for the people who release it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.task.manifest import Manifest, Script, Slot
from featuregraph.graph import Graph
from inference.manifest import Manifest as Package

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Card:
    """All that is known of a bundle without running it on events."""

    task: str
    description: str
    bundle: str
    bytes: int
    graph: str
    graph_id: str
    key: tuple[str, ...]
    features: tuple[str, ...]
    events: tuple[str, ...]
    tables: tuple[str, ...]
    request: tuple[str, ...]
    candidate: tuple[str, ...]
    reach_ms: int | None  # how far back the log must keep events; None: for ever
    operators: tuple[str, ...]
    opset: int
    quantize: str | None
    meta: dict[str, str]
    golden: int  # examples in the package, all passed
    memory_bytes: int | None
    scripts: dict[str, Script]
    shared: dict[str, int]  # sizes of the files outside of the model package
    exclusive: dict[str, Slot]


def card(manifest: Manifest, graph: Graph, package: Package, golden: int) -> Card:
    """Return the card of MANIFEST's bundle, whose GRAPH, model PACKAGE and GOLDEN examples passed."""
    reaches = graph.compile().reach.values()
    return Card(
        task=manifest.task,
        description=manifest.description,
        bundle=manifest.id,
        bytes=manifest.size,
        graph=graph.name,
        graph_id=graph.id,
        key=graph.key_columns,
        features=tuple(graph.features),
        events=tuple(graph.schemas),
        tables=tuple(graph.tables),
        request=tuple(graph.requests),
        candidate=tuple(graph.candidates),
        reach_ms=max((back or 0 for back in reaches), default=0) if None not in reaches else None,
        operators=package.operators,
        opset=package.opset,
        quantize=package.quantize,
        meta=dict(package.meta),
        golden=golden,
        memory_bytes=manifest.needs.memory_bytes,
        scripts=manifest.scripts,
        shared={n: e.bytes for n, e in sorted(manifest.files.items()) if not n.startswith("model/")},
        exclusive=dict(sorted(manifest.exclusive.items())),
    )


def card_text(card: Card) -> str:
    """Return CARD as Markdown; what a publisher wrote is escaped."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    yield f"# {card.task}"
    yield ""
    if card.description:
        yield f"{_plain(card.description)}\n"
    if card.scripts:
        yield f"**Holds code**: {_names(tuple(card.scripts))}.\n"
    yield "| what | |"
    yield "|---|---|"
    for what, said in _rows(card):
        yield f"| {what} | {said} |"
    for name, script in sorted(card.scripts.items()):
        yield f"| code `{name}` | reads {_names(tuple(sorted(script.reads)))} |"
    for name, size in card.shared.items():
        yield f"| shared file `{name}` | {size:,} bytes |"
    for name, slot in card.exclusive.items():
        need = "required" if slot.required else "optional"
        yield f"| exclusive file `{name}` | at most {slot.most_bytes:,} bytes per device or user, {need} |"
    for name, text in sorted(card.meta.items()):
        yield f"| {_plain(name)} | {_plain(text)} |"


def _rows(card: Card) -> Iterator[tuple[str, str]]:
    yield "bundle", f"`{card.bundle}`, {card.bytes:,} bytes"
    yield "graph", f"{_plain(card.graph)} `{card.graph_id}`, by {_names(card.key)}"
    yield "features", f"{len(card.features)}: {_names(card.features)}"
    yield "reads events", _names(card.events)
    for what, names in (("tables", card.tables), ("request", card.request), ("candidates", card.candidate)):
        if names:
            yield f"asks for {what}", _names(names)
    yield "keeps events", "for ever" if card.reach_ms is None else f"{card.reach_ms / DAY_MS:.4g} days"
    kind = f", {card.quantize}" if card.quantize else ""
    yield "model", f"ONNX, opset {card.opset}{kind}: {_names(card.operators)}"
    yield "golden examples", f"{card.golden}, passed"
    yield "code", f"{len(card.scripts)} scripts" if card.scripts else "none"
    yield "memory", "any" if card.memory_bytes is None else f"{card.memory_bytes:,} bytes"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(_plain, names)) or "none"


def _plain(text: str) -> str:
    """Return TEXT on one line, without a meaning in Markdown, HTML or a terminal."""
    line = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("`", "&#96;")):
        line = line.replace(sign, written)
    return line.replace("[", "&#91;")
