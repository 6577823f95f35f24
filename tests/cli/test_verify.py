"""`headrace verify`: every executor against the reference, cell by cell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.answer import Outcome
from featuregraph.sources import load_graph
from stream.backfill import check
from stream.backfill.cli import verify as cli
from stream.backfill.executors import EXECUTORS, Device, RowExecutor
from stream.backfill.history import Recorded

pq = pytest.importorskip("pyarrow.parquet")

Run = Callable[..., Any]


class Buy(fg.Event, name="buy"):
    """So many were bought."""

    n = fg.int64()


@dataclass(frozen=True, slots=True)
class Spoilt:
    """An executor that gives one value wrong."""

    value: object
    feature: str = "buys_30d"
    name: str = "spoilt"
    needs_log: bool = True

    def part_of(self, plan: fg.Plan) -> fg.Plan | None:
        """Return all of it."""
        return plan

    def outcomes(
        self, plan: fg.Plan, events: Recorded, queries: Sequence[Any]
    ) -> Iterator[tuple[int, Outcome]]:
        """Give the device's outcomes, the first one spoilt."""
        for place, outcome in Device().outcomes(plan, events, queries):
            if place == 0:
                assert isinstance(outcome, fg.FeatureVector)
                outcome.values[self.feature] = self.value
            yield place, outcome


def test_all_equal_is_code_0(run: Run, events: Path, queries: Path, shop: str) -> None:
    """Every mode is compared; the summary says how much of it tells anything."""
    ran = run("verify", events, queries, "--graph", shop)
    assert (ran.code, ran.err) == (0, "")
    assert "390 of 390 cells equal (100 %): 5 queries, 13 features, 6 executors, 8 events" in ran.out
    assert "37 of the reference's 65 cells are not empty or default" in ran.out
    assert all(one.name in ran.out for one in EXECUTORS)


@pytest.mark.parametrize(("wrong", "said"), [(3, "3"), (2.0, "2.0"), (None, "None")])
def test_one_different_cell_is_code_1(
    run: Run,
    events: Path,
    queries: Path,
    shop: str,
    monkeypatch: pytest.MonkeyPatch,
    wrong: object,
    said: str,
) -> None:
    """A value, or only its type, that differs is shown: by whom, where, expected and found."""
    executors: tuple[RowExecutor, ...] = (*EXECUTORS, Spoilt(wrong))
    monkeypatch.setattr(cli, "EXECUTORS", executors)
    found = run("verify", events, queries, "--graph", shop, "--json")
    assert found.code == 1
    assert (found.json["ok"], found.json["cells"], found.json["equal"]) == (False, 455, 454)
    (feature,) = [one for one in found.json["features"] if one["first"]]
    assert feature["feature"] == "buys_30d"
    assert feature["first"] == {
        "executor": "spoilt",
        "query": 1,
        "key": "a",
        "t": 6_000,
        "expected": "2",
        "found": said,
    }
    ran = run("verify", events, queries, "--graph", shop)
    assert ran.code == 1
    assert "454 of 455 cells equal (99.7802 %)" in ran.out
    assert f"buys_30d differs first by spoilt in query 1 (key a at 6000): expected 2, found {said}" in ran.out


def test_a_decayed_sum_may_be_off_by_its_tolerance_only(shop: str, events: Path) -> None:
    """SEMANTICS 4.2: 1e-12 of the sum of absolute terms, and counted; beyond it the cell differs."""
    plan = load_graph(shop).compile()
    asked = [{"key": "a", "t": 6_000, "request": {}}]
    true = 2 * 2 ** (-5_000 / 86_400_000) + 3 * 2 ** (-4_000 / 86_400_000)
    for off, equal in ((1e-13, 1), (1e-11, 0)):
        spoilt = Spoilt(true * (1 + off), "pull")
        found, _ = check.verify(plan, events, asked, executors=[spoilt])
        tally = found.features["pull"]
        assert (tally.cells, tally.equal, tally.within) == (1, equal, equal)
        assert found.ok is bool(equal)


def test_an_overflow_is_a_cell_like_any_other(run: Run, shop: str, tmp_path: Path) -> None:
    """Where the reference overflows, executors must name the same feature."""
    attrs = {"quantity": 2**62, "unit_price": "1"}
    rows = [{"event": "purchase", "user_id": "a", "ts_ms": n, "attrs": attrs} for n in (1, 2)]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "q.jsonl").write_text('{"user_id": "a", "ts_ms": 5}')
    found = run("verify", tmp_path / "e.jsonl", tmp_path / "q.jsonl", "-g", shop, "--json").json
    assert (found["cells"], found["equal"]) == (78, 78)


def test_labels_are_compared_where_they_are_computed(run: Run, tmp_path: Path) -> None:
    """Devices are compared in what they serve: an overflow of a label is none of theirs."""
    sums = {"label": fg.rows(Buy).ahead("4ms").sum(Buy.n), "so_far": fg.rows(Buy).count()}
    (tmp_path / "g.json").write_text(fg.Graph("g", sums).to_json())
    rows = [{"event": "buy", "user_id": "a", "ts_ms": ts, "attrs": {"n": 2**62}} for ts in (2, 7, 8)]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "q.jsonl").write_text('{"user_id": "a", "ts_ms": 4}\n{"user_id": "a", "ts_ms": 5}')
    found = run(
        "verify", tmp_path / "e.jsonl", tmp_path / "q.jsonl", "-g", tmp_path / "g.json", "--json"
    ).json
    cells = {one["feature"]: (one["cells"], one["equal"]) for one in found["features"]}
    assert cells == {"label": (2, 2), "so_far": (2 * len(EXECUTORS) - 2, 2 * len(EXECUTORS) - 2)}


def test_keys_of_several_columns_are_compared_over_columns(run: Run, tmp_path: Path) -> None:
    """No device computes them; without queries each event asks for its pair."""
    pair = fg.Graph("pair", {"n": fg.rows(Buy).count()}, key=("user_id", "item_id"))
    (tmp_path / "g.json").write_text(pair.to_json())
    rows = [{"event": "buy", "user_id": "a", "item_id": i, "ts_ms": ts} for ts, i in enumerate("ijji")]
    rows.append({"event": "buy", "user_id": "a", "ts_ms": 9})
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = run("verify", tmp_path / "e.jsonl", "-g", tmp_path / "g.json", "--json").json
    assert (found["ok"], found["queries"], found["cells"]) == (True, 4, 4)
    assert [one["executor"] for one in found["executors"]] == ["reference", "local"]


def test_a_sample_is_chosen_by_its_seed(run: Run, events: Path, queries: Path, shop: str) -> None:
    """The same seed chooses the same queries, in their order."""
    plan = load_graph(shop).compile()
    samples = [
        [(q["key"], q["t"]) for q in check.sampled(plan, events, queries, sample=3, seed=seed)]
        for seed in (1, 1, 2, 3)
    ]
    assert samples[0] == samples[1]
    assert len({tuple(one) for one in samples}) > 1
    whole = [(q["key"], q["t"]) for q in check.sampled(plan, events, queries, sample=None)]
    assert all([one for one in whole if one in sample] for sample in samples)
    ran = run("verify", events, queries, "-g", shop, "--sample", 2, "--seed", 1, "--json")
    assert ran.json["queries"] == 2


def test_without_queries_events_are_asked_at(run: Run, events: Path, shop: str) -> None:
    """Each event stands for the query of its key at its time."""
    found = run("verify", events, "-g", shop, "--json").json
    assert (found["ok"], found["queries"], found["events"]) == (True, 8, 8)


def test_a_log_file_is_read_as_it_is(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path
) -> None:
    """The log of a device stands for its events, whatever its name, with when they came to be known."""
    log = tmp_path / "events.parquet"
    assert run("log", "import", log, events).code == 0
    before = log.read_bytes()
    for asked in ([], [queries]):
        found = run("verify", log, *asked, "-g", shop, "--json").json
        assert (found["ok"], found["events"], found["queries"]) == (True, 7, 5 if asked else 7)
    told = run("why", log, "-g", shop, "-f", "ticket", "-k", "a", "--at", 6_001, "--json")
    assert told.json["value"] == 2.65
    tables = []
    for source in (events, log):
        assert run("replay", source, queries, "-g", shop, "-o", tmp_path / "out.parquet").code == 0
        tables.append(pq.read_table(tmp_path / "out.parquet").to_pylist())
    assert tables[0] == tables[1]  # the last query is as known: it depends on known_ms
    assert log.read_bytes() == before


def test_features_without_candidates_are_named(run: Run, events: Path, queries: Path, shop: str) -> None:
    """Empty lists are equal whoever computes them: the features that have no others are told."""
    ran = run("verify", events, "-g", shop)
    assert "nothing was compared of affinity: no query gives candidates" in ran.out
    assert "for category" in ran.out
    found = run("verify", events, "-g", shop, "--json").json
    assert found["without_candidates"] == ["affinity"]
    some = run("verify", events, queries, "-g", shop, "--json").json
    assert some["without_candidates"] == []
    assert {f["feature"]: f["without_candidates"] for f in some["features"]}["affinity"] == 1
    assert "nothing was compared" not in run("verify", events, queries, "-g", shop).out


def test_the_end_tells_the_time(run: Run, events: Path, queries: Path, shop: str, tmp_path: Path) -> None:
    """The last line says how long it took."""
    last = run("verify", events, queries, "-g", shop).out.splitlines()[-1]
    assert re.fullmatch(r"done in \d+\.\d s", last)
    last = run("replay", events, queries, "-g", shop, "-o", tmp_path / "o.parquet").out.splitlines()[-1]
    assert re.fullmatch(r"done in \d+\.\d s, \d+\.\d s of it computing", last)


def test_a_csv_is_asked_at_its_events_too(run: Run, shop: str, tmp_path: Path) -> None:
    """Times that stand as text, as all values of a CSV do, are times."""
    rows = (
        "event,user_id,ts_ms,item_id,quantity,unit_price\npurchase,a,1000,i1,2,2.50\npurchase,a,2000,i1,1,1\n"
    )
    (tmp_path / "events.csv").write_text(rows, encoding="utf-8")
    found = run("verify", tmp_path / "events.csv", "-g", shop, "--json").json
    assert (found["ok"], found["queries"], found["events"]) == (True, 2, 2)


def test_a_history_that_no_query_asks_about_is_not_handed_to_the_reference(
    run: Run, shop: str, events: Path, tmp_path: Path
) -> None:
    """Only the queried keys' events are; the log has all, and the counts say so."""
    (tmp_path / "q.jsonl").write_text('{"user_id": "nobody", "ts_ms": 5}')
    found = run("verify", events, tmp_path / "q.jsonl", "-g", shop, "--json").json
    assert (found["ok"], found["events"], found["not_empty_or_default"]) == (True, 8, 0)


def test_no_query_is_one_line(run: Run, events: Path, shop: str, tmp_path: Path) -> None:
    """Nothing compared is no success."""
    (tmp_path / "q.jsonl").write_text("")
    ran = run("verify", events, tmp_path / "q.jsonl", "-g", shop)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "expected at least one query, found none" in ran.err
