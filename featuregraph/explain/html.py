"""A description as one page: the graph drawn, with what each part costs, and the passes before and after.

The page stands alone: no network, no script but ours, which the policy in its head names by its digest.
Everything that comes from a graph is text, escaped here or set as text by the script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import astuple
from html import escape
from importlib import resources

from featuregraph.explain.cost import Cost
from featuregraph.explain.description import ASSUMED, Description, describe
from featuregraph.explain.drawing import LAYERS, Box, Drawing, Line, draw
from featuregraph.explain.load import Load
from featuregraph.plan import Plan

# The operators are AutoFeature's.
_HEADS = ("Retrieve", "Decode", "Filter", "Compute", "rows read", "values decoded", "row tests")
_METERED = 4  # from this cost on, which are counts of rows and values


def page(plan: Plan, load: Load = ASSUMED) -> str:
    """Return PLAN as a page of HTML."""
    about = describe(plan, load)
    drawing = draw(about)
    style, script = _asset("page.css"), _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    parts = (
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(about.graph)} - headrace explain</title>",
        f"<style>{style}</style>",
        *_header(about),
        _asset("bar.html"),
        "<main>",
        *_graph(about, drawing),
        _asset("help.html"),
        "</main>",
        *_passes(about),
        f'<script type="application/json" id="data">{_data(drawing)}</script>',
        f"<script>{script}</script>",
        "</html>",
    )
    return "\n".join(parts) + "\n"


def _asset(name: str) -> str:
    return resources.files("featuregraph.explain").joinpath("page", name).read_text(encoding="utf-8")


# ---------------------------------------------------------------- what stands above the graph


def _header(about: Description) -> Iterator[str]:
    last = about.passes[-1].cost
    state = sum(line.state_bytes for line in about.aggregates)
    tiles = (
        ("features", f"{len(about.features)}", f"from {len(about.aggregates)} aggregates"),
        ("reads of the log", f"{last.retrieve}", f"instead of {about.written.retrieve}"),
        ("rows read, nothing kept", f"{last.rows:,}", f"instead of {about.written.rows:,}"),
        ("values decoded", f"{last.values:,}", f"instead of {about.written.values:,}"),
        ("states hold", f"{state / 1024:,.1f} KiB", "at most, estimated"),
    )
    yield "<header><div>"
    yield f"<h1>{escape(about.graph)}</h1>"
    visible = "events at or before t" if about.include_now else "events before t"
    yield f"<p>key {escape(about.key)} · sees {visible} · <code>{about.id[:16]}</code></p>"
    yield '</div><dl class="tiles">'
    for what, number, beside in tiles:
        yield f"<div><dt>{what}</dt><dd>{number} <small>{beside}</small></dd></div>"
    yield "</dl></header>"


# ---------------------------------------------------------------- the graph


def _graph(about: Description, drawing: Drawing) -> Iterator[str]:
    counts = (
        len(about.scans),
        len(about.scans),
        len(about.tracks),
        len(about.aggregates),
        len(about.features),
    )
    yield '<section class="pane" id="pane" tabindex="0" aria-label="The graph, from events to features">'
    yield f'<div class="graph" id="graph"><div class="heads" style="min-width:{drawing.width:.0f}px">'
    for name, count, left in zip(LAYERS, counts, drawing.lefts, strict=True):
        yield f'<span style="left:{left + 18:.0f}px">{name}<small>{count}</small></span>'
    yield f'</div><div class="canvas" style="width:{drawing.width:.0f}px;height:{drawing.height:.0f}px">'
    yield f'<svg aria-hidden="true" width="{drawing.width:.0f}" height="{drawing.height:.0f}">'
    boxes = {box.id: box for box in drawing.boxes}
    yield from (_path(line, boxes[line.source], boxes[line.target]) for line in drawing.lines if line.drawn)
    yield "</svg>"
    for layer, name in enumerate(LAYERS):
        yield f'<ol aria-label="{name}">'
        yield from (_box(box) for box in drawing.boxes if box.layer == layer)
        yield "</ol>"
    yield "</div></div></section>"


def _path(line: Line, source: Box, target: Box) -> str:
    x, y = source.left + source.width, source.top + source.height / 2
    end, across = target.left, target.top + (26 if line.target[0] == "t" else target.height) / 2
    if line.source[0] == "w":  # out of the box around it
        x += 8
    bend = (end - x) / 2
    curve = f"M{x:.0f} {y:.1f}C{x + bend:.0f} {y:.1f} {end - bend:.0f} {across:.1f} {end:.0f} {across:.1f}"
    return f'<path data-from="{line.source}" data-to="{line.target}" d="{curve}"/>'


def _box(box: Box) -> str:
    kind = {"t": " track", "w": " window"}.get(box.id[0], "")
    place = f"left:{box.left:.0f}px;top:{box.top:.1f}px;width:{box.width:.0f}px;height:{box.height:.0f}px"
    note = f"<small>{escape(box.note)}</small>" if box.note else ""
    return (
        f'<li><button type="button" class="box k{box.layer}{kind}" id="{box.id}" aria-pressed="false" '
        f'aria-controls="facts" style="{place}" title="{escape(box.label)}">'
        f"<b>{escape(box.label)}</b>{note}</button></li>"
    )


def _data(drawing: Drawing) -> str:
    """Return what the script needs as JSON that ends no element."""
    form = {
        "boxes": {box.id: {"name": box.facts[0][1], "facts": box.facts} for box in drawing.boxes},
        "lines": [[line.source, line.target] for line in drawing.lines],
        "width": round(drawing.width),
        "height": round(drawing.height),
    }
    text = json.dumps(form, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# ---------------------------------------------------------------- the passes


def _passes(about: Description) -> Iterator[str]:
    yield '<section class="passes" aria-labelledby="passes"><h2 id="passes">The passes, before and after</h2>'
    yield f"<p>What a query costs that keeps nothing: {escape(about.load)}.</p>"
    yield '<div class="scroll"><table><thead><tr><th scope="col">pass</th>'
    yield "".join(f'<th scope="col">{head}</th>' for head in _HEADS) + "</tr></thead>"
    most = [max(costs) for costs in zip(*(astuple(c) for c in _costs(about)), strict=True)]
    yield f'<tbody><tr><th scope="row">as written</th>{_cells(about.written, None, most)}</tr></tbody>'
    before = about.written
    for line in about.passes:
        yield f'<tbody><tr><th scope="row">{line.name}</th>{_cells(line.cost, before, most)}</tr>'
        moved = "".join(f"<li>{escape(text)}</li>" for text in line.moved)
        law = f"{line.law[0].upper()}{line.law[1:]}"
        count = f"{len(line.moved)} {'move' if len(line.moved) == 1 else 'moves'}"
        told = f"<details><summary>{law}: {count}</summary><ul>{moved}</ul></details>" if moved else law
        yield f'<tr><td class="moves" colspan="{len(_HEADS) + 1}">{told}</td></tr></tbody>'
        before = line.cost
    yield "</table></div></section>"


def _costs(about: Description) -> list[Cost]:
    return [about.written, *(line.cost for line in about.passes)]


def _cells(cost: Cost, before: Cost | None, most: list[int]) -> str:
    numbers, past = astuple(cost), astuple(before or cost)
    found = []
    for place, (number, old) in enumerate(zip(numbers, past, strict=True)):
        changed = ' class="changed"' if number < old else ' class="grown"' if number > old else ""
        share = 100 * number / most[place] if most[place] else 0
        meter = f'<span class="meter"><i style="width:{share:.1f}%"></i></span>' if place >= _METERED else ""
        found.append(f"<td{changed}>{number:,}{meter}</td>")
    return "".join(found)
