"""`headrace why`: the rows behind one value, each with the clause that decided."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from featuregraph.times import format_time, parse_time

pytestmark = pytest.mark.device

Run = Callable[..., Any]


def ask(run: Run, events: Path, shop: str, feature: str, *rest: object, at: object = 6_001) -> Any:
    """Run `why` for key a."""
    return run("why", events, "--graph", shop, "--feature", feature, "--key", "a", "--at", at, *rest)


def test_each_row_has_its_verdict_and_the_value_its_arithmetic(run: Run, events: Path, shop: str) -> None:
    """Kept rows come first, others with their clause; then each aggregate's value and what it makes."""
    ran = ask(run, events, shop, "ticket")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "ticket of key a at 6001 (1970-01-01T00:00:06.001Z)"
    verdicts = [found[1] for line in lines if (found := re.match(r"(kept|\d\.\d) ", line))]
    assert verdicts == ["kept", "kept", "3.3", "1.3"] * 2
    assert [line.rstrip() for line in lines[-4:]] == [
        "a1 = 5.30    (2 of 4 rows)",
        "a2 = 2    (2 of 4 rows)",
        "ticket = a1 / a2",
        "ticket = 2.65",
    ]
    assert "where quantity > 0" in ran.out


def test_rows_are_capped(run: Run, tmp_path: Path, shop: str) -> None:
    """Beyond thirty rows the rest is counted; --all shows it."""
    rows = "".join(f'{{"event": "view", "user_id": "a", "ts_ms": {t}}}\n' for t in range(50))
    file = tmp_path / "many.jsonl"
    file.write_text(rows)
    capped, whole = (ask(run, file, shop, "views_7d", *rest, at=100).out for rest in ((), ("--all",)))
    assert "... 20 more; --all shows them" in capped
    assert (capped.count("kept "), whole.count("kept ")) == (30, 50)
    assert "views_7d = 50" in capped


def test_json_gives_every_row(run: Run, events: Path, shop: str) -> None:
    """`--json` gives rows in their total order and values as GRAPH_JSON writes them."""
    found = ask(run, events, shop, "spend_30d", "--json").json
    assert (found["value"], found["overflow"], found["partial"]) == ("5.30", False, False)
    (aggregate,) = found["aggregates"]
    assert [(row["ts_ms"], row["seq"], row["clause"]) for row in aggregate["rows"]] == [
        (1_000, 0, None),
        (2_000, 0, None),
        (2_000, 1, "1.3"),
        (6_000, 0, "3.3"),
    ]
    assert aggregate["rows"][0]["fields"] == {"quantity": 2, "unit_price": "2.50"}


def test_request_and_candidates_come_as_json(run: Run, events: Path, shop: str) -> None:
    """`--request` gives the query's values and lists."""
    ran = ask(run, events, shop, "affinity", "--request", '{"category": ["mugs", "tea"]}')
    assert "affinity = [1, 0]" in ran.out
    assert "affinity = lookup(a1, candidate.category)" in ran.out
    assert "left = 0.7" in ask(run, events, shop, "left", "--request", '{"budget": 6}', at=6_000).out


def test_missing_candidates_are_named(run: Run, events: Path, shop: str, tmp_path: Path) -> None:
    """One list of two is refused, with those that are missing."""
    two = tmp_path / "two.py"
    text = Path(shop.rpartition(":")[0]).read_text(encoding="utf-8")
    two.write_text(
        text.replace(
            "    category = fg.category()\n\n\nclass Context",
            "    category = fg.category()\n    brand = fg.category()\n\n\nclass Context",
        ).replace("    idle =", "    liked = Item.brand == Item.category\n    idle =")
    )
    refused = ask(run, events, f"{two}:shop", "ticket", "--request", '{"category": ["tea"]}')
    assert (refused.code, refused.out) == (2, "")
    assert "expected a list for each of brand, category, all of one length, found none for b" in refused.err


def test_include_now_may_be_tried(run: Run, events: Path, shop: str) -> None:
    """`--include-now` answers as if the graph said so."""
    for answer, value in (("no", 1), ("yes", 2)):
        assert (
            f"views_7d = {value}" in ask(run, events, shop, "views_7d", "--include-now", answer, at=6_000).out
        )


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("86400000", 86_400_000),
        ("-1", -1),
        ("1970-01-02", 86_400_000),
        ("1970-01-01T01:00:00.250", 3_600_250),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2011-12-09T12:50:00Z", 1_323_435_000_000),
    ],
)
def test_times_are_ms_or_iso_8601(text: str, ms: int) -> None:
    """A time without a zone is UTC; what is written back names the same time."""
    assert parse_time(text) == ms
    assert parse_time(format_time(ms)) == ms


@pytest.mark.parametrize(
    ("feature", "rest", "said"),
    [
        ("tickets", [], "found 'tickets'; did you mean 'ticket'"),
        ("ticket", ["--at", "yesterday"], "expected a time as ms or ISO 8601, found 'yesterday'"),
        ("ticket", ["--at", "9" * 30], "expected a time in int64 ms"),
        ("ticket", ["--request", "{"], 'write it as {"budget": VALUE, "category": [VALUE, ...]}'),
        ("ticket", ["--request", "[]"], 'write it as {"budget": VALUE, "category": [VALUE, ...]}'),
        ("ticket", ["--request", '{"category": 1}'], "expected a list as candidate 'category'"),
        ("affinity", [], "expected the candidate lists 'category', found none; give in the request"),
        ("affinity", ["--request", '{"categroy": ["tea"]}'], "lists 'category', found 'categroy'; give"),
        ("left", ["--request", '{"bugdet": 6}'], "(budget, category), found 'bugdet'"),
        ("ticket", ["--include-now", "maybe"], "--include-now: expected yes or no, found 'maybe'"),
    ],
)
def test_bad_usage_is_one_line(
    run: Run, events: Path, shop: str, feature: str, rest: list[str], said: str
) -> None:
    """What cannot be asked is said in one line with code 2."""
    ran = ask(run, events, shop, feature, *rest)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


def test_a_key_without_events_is_told(run: Run, events: Path, shop: str) -> None:
    """The value is that of nothing, and a misspelt key shows; a known one is told nothing."""
    asked = ("why", str(events), "--graph", shop, "--feature", "views_7d", "--at", "9000", "--key")
    ran = run(*asked, "nobody")
    assert (ran.code, ran.err) == (0, f"{events}: no event of the key nobody\n")
    assert "views_7d = 0" in ran.out
    assert run(*asked, "a").err == ""


def test_a_missing_file_is_one_line(run: Run, tmp_path: Path, shop: str) -> None:
    """The path is named."""
    ran = ask(run, tmp_path / "none.jsonl", shop, "ticket")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "none.jsonl: expected a file of events, found nothing" in ran.err
