"""`headrace table`: an item's values as a file that a device maps, equal in replay and on the device."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

import featuregraph as fg
from headrace import cli
from stream import BackfillError, Engine, EventLog, TableFile, build_table, replay
from stream.engine import MODES

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

HOUR = 3_600_000


class View(fg.Event, name="view"):
    """A look at an item."""

    item_id = fg.identifier()
    price = fg.decimal(2)
    kind = fg.category()


class Offer(fg.Candidate):
    """An item that may be shown."""

    item_id = fg.identifier()


class Item:
    """What is said of an item, in every type of field."""

    views = fg.rows(View).over("3h").count()
    spent = fg.rows(View).sum(View.price)
    mean = fg.rows(View).over("3h").mean(View.price)
    kind = fg.rows(View).last(View.kind)
    often = fg.rows(View).count() > 5
    seen = fg.rows(View).last(fg.ts_ms())


ITEM = fg.Graph("item", Item, key="item_id")
PAIR = fg.Graph("pair", {"views": fg.rows(View).count()}, key=("user_id", "item_id"))
Items, Pairs = fg.Table.of_graph(ITEM, changing=True), fg.Table.of_graph(PAIR)
USER = fg.Graph(
    "user",
    {
        "popular": fg.rows(View).over("1d").max(Items[View.item_id].views),
        "kinds": fg.rows(View).distinct(Items[View.item_id].kind),
        "spent": Items[Offer.item_id].spent,
        "often": Items[Offer.item_id].often,
        "mean": Items[Offer.item_id].mean.fill(-1.0),
    },
)


def recorded() -> list[dict[str, Any]]:
    """Return views of a few items over some days, not in the order of time."""
    random = Random(3)
    events = [
        {
            "event": "view",
            "user_id": random.choice("ab"),
            "item_id": f"i{min(random.randrange(6), random.randrange(6))}",
            "ts_ms": 10**6 + random.randrange(48 * HOUR),
            "price": f"{random.randrange(999) / 100:.2f}",
            "kind": random.choice(["tea", "mug", None]),
            "event_id": str(number),
        }
        for number in range(60)
    ]
    return [*events, events[7]]


EVENTS = recorded()
TIMES = [event["ts_ms"] + more for event in EVENTS for more in (0, 1)]


def by_hand(graph: fg.Graph, key: Any, t: int) -> Any:
    """Return what the reference says of KEY at T."""
    log = fg.reference.Log(graph.key, graph.events)
    for event in EVENTS:
        log.arrive(event)
    return fg.reference.answers.ask(graph, log, {"key": key, "t": t}, tables={}, end=None).values


def test_each_row_is_the_reference_s_at_its_moment(tmp_path: Path) -> None:
    """From the first event of its key on; a row is there where a value changed."""
    built = build_table(ITEM.compile(), EVENTS, tmp_path / "item.table", every="5h")
    file = TableFile(tmp_path / "item.table")
    assert (file.version, file.schema) == (built.version, Items.table)
    assert (built.keys, built.rows, built.times) == (6, file.rows, 48 // 5)
    rows = list(file.content())
    assert len(rows) < built.keys * built.times
    first = {e["item_id"]: min(o["ts_ms"] for o in EVENTS if o["item_id"] == e["item_id"]) for e in EVENTS}
    for t in range(5 * HOUR, 10**6 + 48 * HOUR, 5 * HOUR):
        for key, since in first.items():
            mine = [row for row in rows if row["key"] == key and row["ts_ms"] <= t]
            if since >= t:
                assert not mine
                continue
            found = {name: mine[-1][name] for name in ITEM.features}
            assert found == by_hand(ITEM, key, t)


@pytest.mark.parametrize("kind", ["table", "parquet"])
def test_device_and_replay_look_up_the_same(tmp_path: Path, kind: str) -> None:
    """All modes of the device over the file that they map, replay over it, the reference over its rows."""
    path = tmp_path / f"item.{kind}"
    build_table(ITEM.compile(), EVENTS, tmp_path / "item.table", every="5h")
    build_table(ITEM.compile(), EVENTS, path, every="5h")
    asked = [{"user_id": "ab"[t % 2], "ts_ms": t, "item_id": ["i0", "i1", "none"]} for t in TIMES[::5]]
    tables = {
        engine: replay(USER.compile(), EVENTS, asked, tables={"item": path}, engine=engine).to_pylist()
        for engine in ("local", "reference", "device")
    }
    right = tables["reference"]
    assert tables["local"] == right
    assert tables["device"] == right
    assert any(row["popular"] for row in right)
    if kind == "parquet":
        return
    rows = list(TableFile(path).content())
    assert (
        replay(USER.compile(), EVENTS, asked, tables={"item": rows}, engine="reference").to_pylist() == right
    )
    for mode in MODES:
        with EventLog(tmp_path / f"{mode}.db", max_future=None) as log:
            engine = Engine(log, mode=mode, tables={"item": path})
            plan = engine.install(USER.compile())
            engine.append_many(EVENTS)
            for ask, row in zip(asked, right, strict=True):
                found = engine.extract(
                    plan, key=ask["user_id"], at_ms=ask["ts_ms"], candidates={"item_id": ask["item_id"]}
                )
                assert dict(found.values) == {name: row[name] for name in USER.features}, (mode, ask)


def test_events_that_can_be_read_once_are_enough(tmp_path: Path) -> None:
    """They are taken in."""
    versions = {
        build_table(ITEM.compile(), events, tmp_path / "item.table", every="5h").version
        for events in (EVENTS, iter(EVENTS), fg.arrow.write_events(EVENTS).to_reader())
    }
    assert len(versions) == 1


def test_nobody_sees_the_future(tmp_path: Path) -> None:
    """More events change no row of a moment before them."""
    for name, events in (("half", [e for e in EVENTS if e["ts_ms"] < 24 * HOUR]), ("all", EVENTS)):
        build_table(ITEM.compile(), events, tmp_path / name, every="5h")
    half, all_ = (list(TableFile(tmp_path / name).content()) for name in ("half", "all"))
    last = max(row["ts_ms"] for row in half)
    assert half == [row for row in all_ if row["ts_ms"] <= last]


@pytest.mark.parametrize("include_now", [False, True])
def test_a_moment_sees_what_its_graph_sees(tmp_path: Path, include_now: bool) -> None:
    """An event at the moment itself counts with include_now, and makes its key a row."""
    graph = fg.Graph("g", {"n": fg.rows(View).count()}, key="item_id", include_now=include_now)
    events = [{"event": "view", "user_id": "u", "item_id": f"i{n}", "ts_ms": 10 * n} for n in range(3)]
    built = build_table(graph.compile(), events, tmp_path / "g.table", at=[10, 20])
    rows = [(row["key"], row["ts_ms"], row["n"]) for row in TableFile(tmp_path / "g.table").content()]
    late = [("i0", 10, 1), ("i1", 20, 1)]
    assert sorted(rows) == (late if not include_now else [("i0", 10, 1), ("i1", 10, 1), ("i2", 20, 1)])
    assert built.changing


def test_a_static_table_is_of_one_moment(tmp_path: Path) -> None:
    """Behind the last event, or where it is said; it may have its moment all the same."""
    plan = PAIR.compile()
    built = build_table(plan, EVENTS, tmp_path / "pair.table")
    rows = {row["key"]: row["views"] for row in TableFile(tmp_path / "pair.table").content()}
    assert (built.changing, built.times, built.keys) == (False, 1, len(rows))
    assert sum(rows.values()) == len(EVENTS) - 1
    once = build_table(plan, EVENTS, tmp_path / "then.table", at=24 * HOUR, changing=True)
    assert {row["ts_ms"] for row in TableFile(tmp_path / "then.table").content()} == {24 * HOUR}
    assert once.keys < built.keys or once.changing


def test_a_pair_is_looked_up_by_its_text(tmp_path: Path) -> None:
    """fg.cross makes the key of a table whose graph has several columns, on the device too."""
    build_table(PAIR.compile(), EVENTS, tmp_path / "pair.table")

    class Who(fg.Request):
        """Who asks."""

        who = fg.identifier()

    key = fg.cross(Who.who, Offer.item_id)
    graph = fg.Graph("crossed", {"views": Pairs[key].views.fill(0), "n": fg.rows(View).count()})
    asked = [{"user_id": who, "who": who, "ts_ms": 10**9, "item_id": ["i0", "i5", "x"]} for who in "abc"]
    found = [
        replay(graph.compile(), EVENTS, asked, tables={"pair": tmp_path / "pair.table"}, engine=engine)
        for engine in ("reference", "local", "device")
    ]
    right = [
        [
            len({e["event_id"] for e in EVENTS if (e["user_id"], e["item_id"]) == (who, item)})
            for item in ("i0", "i5", "x")
        ]
        for who in "abc"
    ]
    assert [table.column("views").to_pylist() for table in found] == [right] * 3


def test_features_that_no_table_holds_are_named(tmp_path: Path) -> None:
    """Lists, labels, and what a query must bring."""
    graph = fg.Graph(
        "g",
        {
            "n": fg.rows(View).count(),
            "top": fg.rows(View).topk(View.item_id, 3),
            "next": fg.rows(View).ahead("1h").count(),
            "own": fg.rows(View).group_by(View.item_id).count().lookup(Offer.item_id),
        },
    )
    with pytest.raises(
        fg.CompileError,
        match=r"found next \(a label\), own \(asks for item_id\), top \(list<identifier>\); make",
    ):
        build_table(graph.compile(), EVENTS, tmp_path / "g.table")


def test_the_command_builds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command from events to a file; errors are one line."""
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (tmp_path / "item.json").write_text(ITEM.to_json())
    common = ["table", str(tmp_path / "e.jsonl"), "-g", str(tmp_path / "item.json"), "-o"]
    out = tmp_path / "item.table"
    assert cli.main([*common, str(out), "--every", "5h", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["plan"]) == (TableFile(out).version, ITEM.id)
    assert cli.main([*common, str(out), "--at", "1970-01-02"]) == 0
    assert f"version  {TableFile(out).version}" in capsys.readouterr().out
    for options, said in (
        ([str(tmp_path)], "expected a file to write, found a folder"),
        ([str(out), "--every", "1ms"], "every: expected at most 100,000 moments"),
        ([str(out), "--every", "soon"], "every: expected a duration"),
        ([str(out), "--engine", "spark"], "expected an engine"),
    ):
        assert cli.main([*common, *options]) == 2
        err = capsys.readouterr().err
        assert (said in err, err.count("\n")) == (True, 1), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.jsonl", "item.json", "item.table"]


def test_another_s_file_is_refused(tmp_path: Path) -> None:
    """Replay has the conditions of a device: name, key, changing and fields."""
    build_table(ITEM.compile(), EVENTS, tmp_path / "item.table")
    with pytest.raises(
        fg.TableError, match=r"with a key of identifier, changing=True.*found.*changing=False"
    ):
        replay(USER.compile(), EVENTS, [], tables={"item": tmp_path / "item.table"})
    build_table(ITEM.compile(), EVENTS, tmp_path / "item.table", name="other", changing=True)
    with pytest.raises(fg.TableError, match="expected the file of table 'item', found that of 'other'"):
        replay(USER.compile(), EVENTS, [], tables={"item": tmp_path / "item.table"})
    with pytest.raises(BackfillError, match="with item_id, found none; name other events"):
        build_table(ITEM.compile(), [{"event": "view", "user_id": "u", "ts_ms": 1}], tmp_path / "x.table")
