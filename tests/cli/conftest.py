"""A small recorded history, and a way to run commands on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace import cli

SHOP = Path(__file__).parent / "data/shop.py"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return the one JSON document that was printed."""
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run `headrace ARGUMENTS` in this process."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return call


def buy(user: str, ts_ms: int, quantity: object, price: str = "2.50", **rest: Any) -> dict[str, Any]:
    """Return a purchase."""
    attrs = {"quantity": quantity, "unit_price": price}
    return {"event": "purchase", "user_id": user, "ts_ms": ts_ms, "item_id": "i1", "attrs": attrs, **rest}


def view(user: str, ts_ms: int, category: str | None = "tea", **rest: Any) -> dict[str, Any]:
    """Return a look at an item."""
    attrs = {"category": category}
    return {"event": "view", "user_id": user, "ts_ms": ts_ms, "item_id": "i2", "attrs": attrs, **rest}


EVENTS = [
    buy("a", 1_000, 2, event_id="1"),
    view("b", 1_500),
    view("a", 5_000, "mugs"),
    buy("a", 2_000, 3, "0.10", event_id="2"),  # late
    buy("a", 2_000, 3, "0.10", event_id="2"),  # a duplicate
    buy("a", 6_000, "many"),  # unparsable
    buy("b", 6_000, -1, known_ms=9_000),
    view("a", 6_000, None),
]
QUERIES = [
    {"user_id": "a", "ts_ms": 6_000, "budget": 10.0, "category": ["tea", "mugs"]},
    {"user_id": "b", "ts_ms": 7_000, "budget": None, "category": []},
    {"user_id": "a", "ts_ms": 10_000, "budget": 6.0, "category": [None]},
    {"user_id": "nobody", "ts_ms": 0, "budget": 6.0, "category": ["tea"]},
    {"user_id": "b", "ts_ms": 7_000, "budget": 1.5, "category": ["tea"], "as_known": True},
]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write ROWS as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def shop() -> str:
    """Return the GRAPH argument of the small shop."""
    return f"{SHOP}:shop"


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Return a file of the small history."""
    return write_lines(tmp_path / "events.jsonl", EVENTS)


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Return a file of queries about it."""
    return write_lines(tmp_path / "queries.jsonl", QUERIES)
