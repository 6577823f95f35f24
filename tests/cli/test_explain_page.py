"""`headrace explain --html`: one page that stands alone, escapes everything, and answers in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregraph as fg
from featuregraph.explain import describe, page
from featuregraph.explain.drawing import LAYERS, Drawing, draw, spread
from featuregraph.sources import load_graph
from featuregraph.testing.graphs import random_graph
from featuregraph.testing.values import World
from featuregraph.testing.workload import Shape, workload

pytestmark = pytest.mark.device

DATA = Path(__file__).parent / "data"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")

EVIL = "</script><script>document.title='bad'</script><img src=x onerror=\"document.title='bad'\">&amp;'"


def shop_page() -> str:
    """Return the page of the shop."""
    return page(load_graph(f"{DATA}/shop.py:shop").compile())


def evil_page() -> str:
    """Return the page of a graph all of whose names and texts are code."""
    event = fg.Event.of(f"e{EVIL}", {f"f{EVIL}": "string"})
    rows = fg.rows(event).where(event[f"f{EVIL}"] == f"v{EVIL}")
    return page(fg.Graph(f"g{EVIL}", {f"n{EVIL}": rows.over("1d").count()}).compile())


# ---------------------------------------------------------------- the text of the page


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.text += data


def embedded(text: str) -> Any:
    """Return what the page tells its script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.mark.parametrize("make", [shop_page, evil_page])
def test_the_page_asks_nobody_for_anything(make: Callable[[], str]) -> None:
    """No tag names another file, no address stands in it, and the policy allows its own script alone."""
    text = make()
    tags = Tags(text).tags
    assert not [
        tag for tag, attrs in tags if tag in ("link", "img", "iframe", "a") or {"src", "href"} & set(attrs)
    ]
    assert not re.search(r"https?://|url\(|@import|//[a-z]", text.partition("<script>")[0])
    policy = next(a["content"] for t, a in tags if t == "meta" and a.get("http-equiv")) or ""
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[-1].encode()).digest()).decode()
    assert len(scripts) == 1
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_names_are_text_wherever_they_stand() -> None:
    """Names that are code make no tag and end no element; the script is told them as they are."""
    plain, evil = Tags(shop_page()), Tags(evil_page())
    assert {tag for tag, _ in evil.tags} <= {tag for tag, _ in plain.tags}
    assert not [attrs for _, attrs in evil.tags if any(name.startswith("on") for name in attrs)]
    boxes = embedded(evil_page())["boxes"]
    assert boxes["f0"]["name"] == f"`n{EVIL}`"
    assert boxes["e0"]["facts"][1] == [f"`f{EVIL}`", "string"]
    assert f"g{EVIL}" in evil.text


def test_the_page_depends_on_the_graph_only() -> None:
    """The same graph gives the same bytes."""
    assert shop_page() == shop_page()


def test_every_part_can_be_reached_and_is_named() -> None:
    """Boxes are buttons in a list per layer, with the facts that the text of explain has too."""
    tags = Tags(shop_page()).tags
    assert [a["aria-label"] for tag, a in tags if tag == "ol"] == list(LAYERS)
    boxes = [a for tag, a in tags if tag == "button" and "box" in (a.get("class") or "")]
    assert len(boxes) == 2 + 2 + 4 + 6 + 10 + 13
    data = embedded(shop_page())["boxes"]
    assert {box["id"] for box in boxes} == set(data)
    told = {box["name"]: dict(box["facts"]) for box in data.values() if box["facts"][0][0] == "Feature"}
    assert told["ticket"]["Expression"] == "spend_30d / buys_30d"
    assert told["ticket"]["The cache saves"] == "1,440 rows read and 4,320 values decoded a query"
    assert told["evening"]["Looks back"] == "not at all: from the query alone"


def test_the_command_writes_the_page(run: Any, shop: str, tmp_path: Path) -> None:
    """`--html FILE` writes it and says so; with --diff or without a folder it is one line."""
    ran = run("explain", shop, "--html", tmp_path / "shop.html")
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "shop.html").read_text(encoding="utf-8") == shop_page()
    ran = run("explain", shop, "--html", tmp_path / "shop.html", "--diff", DATA / "shop_next.py")
    assert (ran.code, ran.err) == (
        2,
        "headrace: expected --diff alone, found --html or --events too; leave one out\n",
    )
    ran = run("explain", shop, "--html", tmp_path / "none/shop.html")
    assert (ran.code, ran.err.count("\n")) == (2, 1)


# ---------------------------------------------------------------- the drawing


def overlaps(drawing: Drawing) -> list[tuple[str, str]]:
    """Return boxes of one layer that overlap, but for windows, which stand in the box of their track."""
    found = []
    for layer in range(len(LAYERS)):
        boxes = sorted((b for b in drawing.boxes if b.layer == layer and b.id[0] != "w"), key=lambda b: b.top)
        found += [(a.id, b.id) for a, b in pairwise(boxes) if a.top + a.height > b.top]
    return found


@settings(max_examples=60)
@given(st.integers(0, 2**48))
def test_boxes_of_random_graphs_stand_apart(seed: int) -> None:
    """No two boxes overlap, all stand inside the canvas, and lines go from layer to layer."""
    rng = Random(seed)
    form = random_graph(rng, World.any(rng), features=14, key="user_id")
    drawing = draw(describe(fg.Graph.from_json(form).compile()))
    assert overlaps(drawing) == []
    boxes = {box.id: box for box in drawing.boxes}
    assert len(boxes) == len(drawing.boxes)
    for box in drawing.boxes:
        assert 0 <= box.top <= box.top + box.height <= drawing.height
        assert 0 <= box.left <= box.left + box.width <= drawing.width
        if box.id[0] == "w":
            track = boxes[box.id.replace("w", "t").partition(".")[0]]
            assert track.top < box.top
            assert box.top + box.height < track.top + track.height
    for line in drawing.lines:
        assert boxes[line.target].layer - boxes[line.source].layer == (1 if line.drawn else 0)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(1, 60)), max_size=12), st.floats(0, 20))
def test_boxes_stand_as_near_as_may_be(boxes: list[tuple[float, float]], gap: float) -> None:
    """Boxes keep their order and their gaps; a run of boxes that touch stands where its mean wants it."""
    wanted, heights = [w for w, _ in boxes], [h for _, h in boxes]
    tops = spread(wanted, heights, gap)
    assert len(tops) == len(boxes)
    runs: list[list[int]] = []
    for place, top in enumerate(tops):
        free = place == 0 or top > tops[place - 1] + heights[place - 1] + gap + 1e-6
        assert free or abs(top - tops[place - 1] - heights[place - 1] - gap) < 1e-6
        runs = [*runs, [place]] if free else [*runs[:-1], [*runs[-1], place]]
    for run in runs:
        assert abs(sum(tops[i] - wanted[i] for i in run)) < 1e-6 * len(run)


def test_the_order_leaves_few_crossings() -> None:
    """Tracks and scans are sorted by their neighbours: fewer lines cross than in the order of first use."""
    about = describe(workload(3, Shape(features=130, events=1)).graph.compile())
    drawing = draw(about)
    at = {box.id: box.top for box in drawing.boxes}
    pairs = [(line.source, line.target) for line in drawing.lines if line.drawn]

    def crossings(place: Callable[[str], float]) -> int:
        ends = [(place(a), place(b)) for a, b in pairs if a[0] == "s"]
        return sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i])

    assert crossings(at.__getitem__) < 0.6 * crossings(lambda part: int(part[1:]))


# ---------------------------------------------------------------- in a browser


def chromium(folder: Path, text: str, *options: str, hash: str = "") -> subprocess.CompletedProcess[str]:
    """Open TEXT in headless Chromium with OPTIONS."""
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    profile = folder / "profile"
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--virtual-time-budget=3000",
        "--window-size=1440,900",
        f"--user-data-dir={profile}",
        *options,
        f"{file.as_uri()}{hash}",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in ran.stderr, ran.stderr
    return ran


def results(folder: Path, text: str, actions: str) -> Any:
    """Return what ACTIONS, a script that fills `result`, found on the page TEXT."""
    unbound = re.sub(r"<meta http-equiv=.*?>", "", text)  # the policy forbids any script but the page's
    told = "document.body.dataset.result = JSON.stringify(result);"
    tail = f"<script>const result = {{}};\n{actions}\n{told}</script>"
    dom = chromium(folder, unbound.replace("</html>", f"{tail}</html>"), "--dump-dom").stdout
    found = re.search(r'data-result="(.*?)"', dom)
    assert found, dom[:2000]
    return json.loads(unescape(found[1]))


@browser
def test_a_link_opens_the_page_at_a_feature(tmp_path: Path) -> None:
    """The name behind # is chosen: its facts stand beside the graph; its script runs under the policy."""
    dom = chromium(tmp_path, shop_page(), "--dump-dom", hash="#ticket").stdout
    assert 'data-ready="yes"' in dom
    found = Tags(dom)
    pressed = [a["id"] for _, a in found.tags if a.get("aria-pressed") == "true"]
    names = {id: box["name"] for id, box in embedded(shop_page())["boxes"].items()}
    assert [names[id or ""] for id in pressed] == ["ticket"]
    assert "spend_30d / buys_30d" in found.text
    assert "Shares an aggregate with 3" in found.text


@browser
def test_code_in_names_does_not_run(tmp_path: Path) -> None:
    """Names that are code are shown and never run, neither in the page nor by its script."""
    text = evil_page()
    found = results(
        tmp_path,
        text,
        """
        document.getElementById("f0").click();
        result.title = document.title;
        result.images = document.images.length;
        result.scripts = document.scripts.length;
        result.head = document.querySelector("#facts h2").textContent;
        """,
    )
    assert found == {
        "title": f"g{EVIL} - headrace explain",
        "images": 0,
        "scripts": 3,  # the data, the page's own and this test's
        "head": f"`n{EVIL}`",
    }


ACTIONS = """
const at = (id) => document.getElementById(id);
const names = JSON.parse(at("data").textContent).boxes;
const box = (name) => Object.keys(names).filter((id) => id[0] === "f").find((id) => names[id].name === name);
const press = (target, key) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const lit = (kind) => [...document.querySelectorAll(`.box.${kind}`)].map((one) => names[one.id].name).sort();
const head = () => document.querySelector("#facts h2").textContent;

result.stops = [...document.querySelectorAll(".box")].filter((one) => one.tabIndex === 0).length;
at(box("spend_30d")).dispatchEvent(new PointerEvent("pointerenter"));
result.hover = head();
result.same = lit("share-a");
result.rows = lit("share-r");
result.made = [...document.querySelectorAll(".box.on")].length;
at(box("spend_30d")).dispatchEvent(new PointerEvent("pointerleave"));
result.left = head();

at("search").value = "VIEWS";
at("search").dispatchEvent(new Event("input"));
result.hits = at("hits").textContent;
result.hit = lit("hit");
press(at("search"), "Enter");
result.first = head();
press(at("search"), "Enter");
result.second = head();
press(document.body, "Escape");
result.gone = [head(), at("search").value, at("hits").textContent];

const first = document.querySelector(".canvas ol:last-of-type .box");
first.focus();
press(first, "ArrowDown");
result.down = document.activeElement !== first && head() === names[document.activeElement.id].name;
press(document.activeElement, "ArrowLeft");
result.back = document.activeElement.id[0];
press(document.activeElement, "End");
press(document.activeElement, "Home");
result.home = document.activeElement === document.querySelectorAll(".canvas ol")[3].querySelector(".box");

const zoom = () => Number(getComputedStyle(at("graph")).zoom);
const before = zoom();
at("closer").click();
result.closer = zoom() > before;
at("percent").click();
result.full = zoom();
at("whole").click();
result.fits = at("graph").getBoundingClientRect().height <= at("pane").clientHeight + 1;
at("wide").click();
result.wide = at("graph").getBoundingClientRect().width <= at("pane").clientWidth + 1;
result.percent = at("percent").textContent;
"""


@browser
def test_boxes_answer_to_hand_and_keyboard(tmp_path: Path) -> None:
    """Hover, search, arrows, Escape and zoom do what the page says they do."""
    found = results(tmp_path, shop_page(), ACTIONS)
    assert found["stops"] == len(LAYERS)
    assert (found["hover"], found["left"]) == ("spend_30d", "What costs what")
    assert found["same"] == ["left", "ticket"]
    assert found["rows"] == ["buys_30d"]
    assert found["made"] == 6  # event, scan, track, window, aggregate and the feature
    assert (found["hits"], found["hit"]) == ("2 of 13", ["views_1h", "views_7d"])
    assert sorted([found["first"], found["second"]]) == ["views_1h", "views_7d"]
    assert found["gone"] == ["What costs what", "", ""]
    assert (found["down"], found["back"], found["home"]) == (True, "a", True)
    assert (found["closer"], found["full"], found["fits"], found["wide"]) == (True, 1, True, True)
    assert found["percent"].endswith(" %")


@browser
@pytest.mark.parametrize("features", [5, 130])
def test_both_schemes_are_drawn(tmp_path: Path, features: int) -> None:
    """A page of any size is drawn in light and in dark, and the two differ."""
    shape = Shape(
        features=features, events=1, types=20 if features > 100 else 4, event_sets=features // 5 or 1
    )
    text = page(workload(3, shape).graph.compile())
    shots = []
    for scheme in (0, 1):
        shot = tmp_path / f"{scheme}.png"
        chromium(tmp_path, text, f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={scheme}")
        shots.append(shot.read_bytes())
    assert shots[0] != shots[1]
    assert min(map(len, shots)) > 20_000
