"""`headrace replay` and stream.replay: exact features of recorded queries, whoever computes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.sources import load_graph
from stream import BackfillError, replay
from stream.engine import MODES
from stream.tabular import read_queries

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
csv = pytest.importorskip("pyarrow.csv")

Run = Callable[..., Any]


def rows_of(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def plan(shop: str) -> fg.Plan:
    """Return the small shop's plan."""
    return load_graph(shop).compile()


def test_the_file_has_the_queries_and_a_column_per_feature(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path, plan: fg.Plan
) -> None:
    """Rows stand in the order of the queries; the schema says who computed what."""
    out = tmp_path / "out.parquet"
    ran = run("replay", events, queries, "--graph", shop, "-o", out)
    assert (ran.code, ran.err) == (0, "")
    assert f"{out}: 5 rows of 13 features from 8 events\n" in ran.out
    table = pq.read_table(out)
    assert table.column_names[:5] == ["user_id", "ts_ms", "budget", "category", "as_known"]
    features = [name for name in plan.features if name != "history"]
    assert table.column_names[5:] == sorted([*features, "history.age", "history.item"])
    assert table.column("user_id").to_pylist() == ["a", "b", "a", "nobody", "b"]
    assert table.column("affinity").to_pylist() == [[0, 1], [], [0], [0], [1]]
    assert table.column("buys_30d").to_pylist() == [2, 0, 2, 0, 0]
    assert [str(v) for v in table.column("spend_30d").to_pylist()] == ["5.30", "0.00", "5.30", "0.00", "0.00"]
    about = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
    assert about["headrace.plan"] == plan.id
    assert fg.Graph.from_json(about["headrace.graph"]) == plan.graph
    assert set(json.loads(about["headrace.versions"])) == {"headrace", "tzdata"}


def test_json_tells_what_happened(run: Run, events: Path, queries: Path, shop: str, tmp_path: Path) -> None:
    """`--json` counts rows, events, duplicates and unparsable values, and names the plan."""
    out = tmp_path / "out.parquet"
    found = run("replay", events, queries, "--graph", shop, "-o", out, "--json").json
    assert found.pop("seconds") >= 0
    assert found == {
        "plans": {"shop": load_graph(shop).id},
        "engine": "local",
        "events": 8,
        "unread": 0,
        "rows": 5,
        "features": 13,
        "duplicate": 1,
        "quarantined": 0,
        "keyless": 0,
        "unparsable": {"purchase.quantity": 1},
        "unknown": {},
        "end": None,
        "dropped": {},
        "absent": [],
        "out": str(out),
    }


def test_columns_that_the_queries_lack_are_named(run: Run, events: Path, shop: str, tmp_path: Path) -> None:
    """Without them values are null and lists empty, which must not look like an answer."""
    (tmp_path / "q.jsonl").write_text('{"user_id": "a", "ts_ms": 6000}\n')
    asked = ["replay", events, tmp_path / "q.jsonl", "--graph", shop, "-o", tmp_path / "out.parquet"]
    assert run(*asked, "--json").json["absent"] == ["budget", "category"]
    assert "for want of a column in the queries  budget, category" in run(*asked).out


@pytest.mark.parametrize(
    "options",
    [
        *(["--engine", one] for one in ("local", "reference")),
        *(["--engine", "device", "--mode", m] for m in MODES),
    ],
    ids=lambda options: options[-1],
)
def test_every_engine_gives_the_reference_s_table(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path, options: list[str]
) -> None:
    """Engine and mode change nothing but speed."""
    out = tmp_path / "out.parquet"
    assert run("replay", events, queries, "--graph", shop, "-o", out, *options).code == 0
    graph = load_graph(shop)
    asked = read_queries(queries, ("user_id",))
    expected = fg.reference.evaluate(graph, fg.arrow.write_events(rows_of(events)), asked)
    assert pq.read_table(out).to_pylist() == expected.to_pylist()


def test_as_known_hides_what_a_device_did_not_know(plan: fg.Plan, events: Path) -> None:
    """As known at 7 s, the event that came to be known at 9 s does not count; a query may say so itself."""
    ask = {"user_id": "b", "ts_ms": 7_000}
    asked = [ask, {**ask, "as_known": True}, {**ask, "as_known": False}]
    idle = [replay(plan, events, asked, as_known=w)["idle"].to_pylist() for w in (False, True)]
    assert idle == [[1_000, 5_500, 1_000], [5_500, 5_500, 1_000]]


def test_queries_come_in_every_form(plan: fg.Plan, events: Path, queries: Path, tmp_path: Path) -> None:
    """A file of any format, a table, rows by column and rows in GRAPH_JSON's form ask the same."""
    rows = rows_of(queries)[:4]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "q.parquet")
    with pa.ipc.new_file(str(tmp_path / "q.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pa.ipc.new_stream(str(tmp_path / "s.arrow"), table.schema) as writer:
        writer.write_table(table)
    texts = [json.dumps(row["category"]) for row in rows]
    flat = table.set_column(3, "category", pa.array(texts))
    csv.write_csv(flat, str(tmp_path / "q.csv"))
    golden = [
        {"key": r["user_id"], "t": r["ts_ms"], "request": {n: r[n] for n in ("budget", "category")}}
        for r in rows
    ]
    (tmp_path / "g.jsonl").write_text("\n\n".join(map(json.dumps, golden)))
    expected = replay(plan, events, rows).drop_columns(["user_id", "ts_ms", "budget", "category"])
    names = ("q.parquet", "q.arrow", "s.arrow", "q.csv", "g.jsonl")
    for asked in (table, golden, *(tmp_path / name for name in names)):
        found = replay(plan, events, asked)
        assert found.select(expected.column_names).to_pylist() == expected.to_pylist(), asked


def test_events_come_in_every_form(plan: fg.Plan, events: Path, queries: Path, tmp_path: Path) -> None:
    """A file, a table and rows are the same events."""
    rows = rows_of(events)
    table = fg.arrow.write_events(rows)
    pq.write_table(table, tmp_path / "e.parquet")
    expected = replay(plan, events, queries).to_pylist()
    for source in (rows, iter(rows), table, tmp_path / "e.parquet", str(tmp_path / "e.parquet")):
        assert replay(plan, source, queries).to_pylist() == expected


def test_several_graphs_answer_side_by_side(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path
) -> None:
    """Their features are named GRAPH.FEATURE, and each is what it is alone."""
    out = tmp_path / "out.parquet"
    other = Path(shop.rpartition(":")[0]).with_name("shop_next.py")
    assert run("replay", events, queries, "-g", shop, "-g", other, "-o", out).code == 0
    table = pq.read_table(out)
    alone = replay(load_graph(str(other)).compile(), events, queries)
    assert table.column("shop_next.buys_30d").to_pylist() == alone.column("buys_30d").to_pylist()
    assert "shop.ticket" in table.column_names
    assert len(json.loads(table.schema.metadata[b"headrace.graph"])) == 2


def test_under_another_key_ties_are_those_of_the_user() -> None:
    """A seq that arrival gives counts a user's events of all keys (SEMANTICS 1.2), for both engines."""
    event = fg.Event.of("view", {"n": "int64"})
    rows = fg.rows(event)
    graph = fg.Graph("g", {"items": rows.sequence(9, {"n": event["n"]})}, key="page_id")
    events = [
        {"event": "view", "user_id": user, "page_id": page, "ts_ms": 1, "attrs": {"n": n}}
        for n, (user, page) in enumerate([("u", "q"), ("u", "p"), ("v", "p"), ("u", "p")])
    ]
    asked = [{"page_id": "p", "ts_ms": 2}]
    found = [
        replay(graph.compile(), events, asked, engine=e)["items.n"].to_pylist()
        for e in ("reference", "device")
    ]
    assert found == [[[2, 1, 3]], [[2, 1, 3]]]


def test_a_null_key_sees_no_event(plan: fg.Plan) -> None:
    """Not even those of the empty key."""
    events = [{"event": "view", "user_id": user, "ts_ms": 1} for user in ("", "-")]
    asked = pa.table({"user_id": pa.array([None, "", "-"], pa.string()), "ts_ms": [2, 2, 2]})
    for engine in ("device", "reference"):
        assert replay(plan, events, asked, engine=engine)["views_7d"].to_pylist() == [0, 1, 1]


def test_no_queries_give_an_empty_table(plan: fg.Plan, events: Path) -> None:
    """The columns are there."""
    table = replay(plan, events, [])
    assert (table.num_rows, "ticket" in table.column_names) == (0, True)


OVERFLOW = [
    {"event": "purchase", "user_id": "a", "ts_ms": n, "attrs": {"quantity": 2**62, "unit_price": "1"}}
    for n in (1, 2)
]


def test_an_overflow_names_feature_and_query(run: Run, tmp_path: Path, shop: str) -> None:
    """Nothing is written; the file that was there stays."""
    out = tmp_path / "out.parquet"
    out.write_text("before")
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, OVERFLOW)))
    (tmp_path / "q.jsonl").write_text('{"user_id": "b", "ts_ms": 5}\n{"user_id": "a", "ts_ms": 5}\n')
    for engine in ("device", "reference"):
        ran = run(
            "replay", tmp_path / "e.jsonl", tmp_path / "q.jsonl", "-g", shop, "-o", out, "--engine", engine
        )
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert "feature 'left'" in ran.err
        assert "query 2, key 'a' at 5" in ran.err
    assert out.read_text() == "before"


def test_ctrl_c_leaves_nothing_behind(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted while it writes, replay leaves neither the file nor a part of it."""

    def interrupted(where: Path, *rest: object, **more: object) -> None:
        Path(where).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "ParquetWriter", interrupted)
    folder = tmp_path / "out"
    folder.mkdir()
    assert run("replay", events, queries, "-g", shop, "-o", folder / "o.parquet").code == 130
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (["--engine", "spark"], "expected an engine (local, device, reference), found 'spark'"),
        (["--mode", "naive"], "expected engine \"device\" with mode 'naive', found 'local'"),
        (
            ["--engine", "device", "--mode", "quick"],
            "expected a mode (naive, fused, cached, incremental, auto), found 'quick'",
        ),
        (["--workers", "0"], "Input should be greater than or equal to 1"),
        (["--memory", "1MiB"], "expected a memory of at least 193MiB for one process and 1MiB"),
        (["--memory", "much"], "expected a size such as '2MiB'"),
        (["--table", "t"], "--table: expected NAME=PATH, found 't'"),
        (["--table", "t=x"], "expected a table of the graphs, found 't'; none is declared"),
        (["-o", "out.csv"], "out.csv: expected a .parquet file to write"),
        (["-o", "no/such/folder/o.parquet"], "found no folder no/such/folder"),
    ],
)
def test_what_is_not_there_yet_is_one_line(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path, rest: list[str], said: str
) -> None:
    """It is refused before any work, with what brings it."""
    ran = run("replay", events, queries, "-g", shop, "-o", tmp_path / "o.parquet", *rest)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected the columns user_id and ts_ms"),
        ('{"user_id": "a"}', "found no ts_ms in the queries"),
        ('{"user_id": "a", "ts_ms": "now"}', "column ts_ms: expected values of one type"),
        (
            '{"user_id": 1.5, "ts_ms": 1}',
            "query 1, column user_id: expected a key as a text or an int64, found 1.5",
        ),
        ('{"user_id": "a", "ts_ms": 1, "category": "tea"}', "query 1, column category: expected a list"),
        ("[1]", "row 1: expected an object, found [1]"),
        ("{", "row 1: expected JSON"),
    ],
)
def test_bad_queries_are_one_line(
    run: Run, events: Path, shop: str, tmp_path: Path, text: str, said: str
) -> None:
    """The row or column is named."""
    (tmp_path / "q.jsonl").write_text(text)
    ran = run("replay", events, tmp_path / "q.jsonl", "-g", shop, "-o", tmp_path / "o.parquet")
    if text:
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert said in ran.err
    else:
        assert ran.code == 0  # no line, no query


def test_a_damaged_or_missing_file_is_one_line(plan: fg.Plan, events: Path, tmp_path: Path) -> None:
    """Files of queries are named, whatever is wrong with them."""
    (tmp_path / "bad.parquet").write_text("no")
    (tmp_path / "bad.csv").write_text("user_id,ts_ms,category\na,1,tea\n")
    for name, said in (
        ("none.parquet", "expected a file of queries, found nothing"),
        ("bad.parquet", "expected a sound parquet file"),
        ("bad.csv", "row 1, column category: expected a JSON list"),
    ):
        with pytest.raises(BackfillError, match=said) as told:
            replay(plan, events, tmp_path / name)
        assert name in str(told.value)


def test_plans_must_fit_together(plan: fg.Plan, events: Path) -> None:
    """Different names, at least one."""
    for plans, said in (([plan, plan], "different names"), ([], "at least one")):
        with pytest.raises(fg.CompileError, match=said):
            replay(plans, events, [])


def test_a_full_disk_names_the_file_and_leaves_none(
    run: Run, events: Path, queries: Path, shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system says what is wrong, and not where."""

    def full(part: Path, *_: object, **__: object) -> None:
        part.write_bytes(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "ParquetWriter", full)
    out = tmp_path / "out.parquet"
    before = sorted(tmp_path.iterdir())
    ran = run("replay", str(events), str(queries), "--graph", shop, "-o", str(out))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"expected room on the disk, found none: {out}; free some" in ran.err
    assert sorted(tmp_path.iterdir()) == before
