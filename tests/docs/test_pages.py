"""The documents as a whole: links lead somewhere, indexes are complete, and every room is in the picture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file of the repository leads to one."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_in_the_index() -> None:
    """Who begins at the index finds every page, over the index of the reference and of the decisions."""
    indexes = (TOP / "docs/index.md", TOP / "docs/reference/index.md", TOP / "docs/adr/README.md")
    linked = {
        (index.parent / target).resolve()
        for index in indexes
        for target in LINK.findall(index.read_text(encoding="utf-8"))
    }
    assert {*(TOP / "docs").rglob("*.md")} - {indexes[0]} <= linked


def test_decisions_are_numbered() -> None:
    """Each decision has a number of its own, in its name and its heading, and a row in the index."""
    folder = TOP / "docs/adr"
    pages = sorted(page for page in folder.glob("*.md") if page.name != "README.md")
    said = [page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ") for page in pages]
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    assert [int(title.partition(".")[0]) for title in said] == numbers
    rows = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)$", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [(f"{number}. {title}", target) for number, title, target in rows] == [
        (title, page.name) for title, page in zip(said, pages, strict=True)
    ]


@pytest.mark.parametrize("package", ["deploy", "featuregraph", "stream", "headrace"])
def test_every_room_is_in_the_picture(package: str) -> None:
    """Each module is named in a row of its package in the table of rooms."""
    page = (TOP / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| {package}/ ([^|]+) \|([^|]+)\|", page, re.MULTILINE)
    named = set(re.findall(r"[a-z_]+", " ".join(map(" ".join, rows))))
    modules = {path.stem for path in (TOP / package).iterdir() if path.suffix == ".py" or path.is_dir()}
    assert {name for name in modules if not name.startswith("__")} <= named
