"""The file of a table on a device: written whole, checked when opened, replaced at once (SEMANTICS 10.5)."""

from __future__ import annotations

import hashlib
import os
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.reference.tables import Table as Known
from featuregraph.testing.values import World
from featuregraph.types import INT64_MAX, INT64_MIN, Type
from stream import Engine, EventLog, TableFile, TableFileError, tablefile, write_table
from stream.engine import MODES
from stream.pace import PACE

pytestmark = pytest.mark.device

T0 = 1_700_000_000_000


class View(fg.Event, name="view"):
    """An event."""

    item_id = fg.identifier()


class Price(fg.Table, key=fg.identifier, changing=True):
    """A table that changes."""

    price = fg.decimal(2)
    brand = fg.category()


class Rate(fg.Table, key=fg.int64, changing=True):
    """Another, by numbers."""

    r = fg.int64()


class Shop:
    """Look-ups inside streams and at the query."""

    spent = fg.rows(View).over("1h").sum(Price[View.item_id].price)
    ax = fg.rows(View).where(Price[View.item_id].brand == "ax").count()
    brands = fg.rows(View).sequence(3, {"brand": Price[View.item_id].brand})
    now = Price["i"].price


SHOP = fg.Graph("shop", Shop)
ROWS = [
    {"key": "i", "ts_ms": T0, "price": "1.00", "brand": "ax"},
    {"key": "i", "ts_ms": T0 + 10, "price": "2.00", "brand": None},
    {"key": "j", "ts_ms": T0, "price": "5.00", "brand": "by"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of the price table."""
    write_table(tmp_path / "price.table", Price.table, ROWS)
    return tmp_path / "price.table"


def _engine(tmp_path: Path, **options: Any) -> Engine:
    engine = Engine(EventLog(tmp_path / "events.db"), "u", **options)
    views = [("i", T0 + 5), ("i", T0 + 15), ("j", T0 + 16), ("z", T0 + 17)]
    engine.append_many({"event": "view", "item_id": i, "ts_ms": ts} for i, ts in views)
    return engine


@pytest.mark.parametrize("mode", MODES)
def test_another_version_is_as_if_it_had_always_been_there(mode: Any, tmp_path: Path, file: Path) -> None:
    """What was answered stays, what is asked anew reads the new version, in windows that stand open too."""
    engine = _engine(tmp_path, mode=mode, tables={"price": file})
    shop = engine.install(SHOP.compile())
    before = engine.extract(shop, at_ms=T0 + 20)
    assert before.values == {
        "ax": 1,
        "brands": {"brand": [None, "by", None]},
        "now": Decimal("2.00"),
        "spent": Decimal("8.00"),
    }
    old = engine.tables
    write_table(file, Price.table, [*ROWS, {"key": "z", "ts_ms": T0, "price": "0.50", "brand": "ax"}])
    assert engine.extract(shop, at_ms=T0 + 20).values == before.values  # the open file is the old one
    engine.use_table("price", file)
    assert engine.tables != old
    after = engine.extract(shop, at_ms=T0 + 20)
    assert (after["spent"], after["ax"]) == (Decimal("8.50"), 2)
    assert before["spent"] == Decimal("8.00")


def test_a_version_is_that_of_the_content(tmp_path: Path) -> None:
    """Equal tables have one version, wherever and whenever they are written; rows of other keys may swap."""
    first = write_table(tmp_path / "a", Price.table, ROWS)
    assert write_table(tmp_path / "b", Price.table, [ROWS[2], ROWS[0], ROWS[1]]) == first
    assert write_table(tmp_path / "b", Price.table, ROWS[:2]) != first
    assert TableFile(tmp_path / "a").version == first


@pytest.mark.parametrize("bits", [64, 0], ids=["", "all keys of one hash"])
@pytest.mark.parametrize("seed", range(12))
def test_a_file_says_what_the_reference_says(
    seed: int, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every type, of keys that are there and others, before, at and after each time."""
    rng, hashed = Random(seed), tablefile._hash
    monkeypatch.setattr(tablefile, "_hash", lambda data: hashed(data) % 2**bits)
    world = World.any(rng)
    texts = ("int64", "float64", "boolean", "string", "identifier", "decimal(3)", "timestamp", "vector(2)")
    fields: dict[str, Any] = {text: Type.parse(text) for text in texts}
    key: Any = Type.parse(rng.choice(("int64", "string", "boolean", "decimal(2)", "timestamp", "identifier")))
    schema = fg.Table.of("t", fields, key=key, changing=True).table
    times = [world.time(rng) for _ in range(6)] + [INT64_MIN, INT64_MAX]
    rows = [
        {"key": world.raw(rng, key), "ts_ms": rng.choice(times)}
        | {name: world.raw(rng, type) for name, type in fields.items()}
        for _ in range(30)
    ]
    write_table(tmp_path / "t", schema, rows)
    known = Known(schema)
    known.add(rows)
    file = TableFile(tmp_path / "t")
    assert len(known.rows) > 1
    for value in known.rows:
        for time in times:
            for include_now in (False, True):
                entry = known.as_of(value, time, include_now=include_now)
                for name in fields:
                    found = file.look_up(name, value, time + include_now)
                    assert found == (None if entry is None else entry.fields[name])
    if key.kind != "boolean":
        assert file.look_up("int64", 77 if key.is_number else "no", 0) is None


def test_a_damaged_file_is_one_line(file: Path, tmp_path: Path) -> None:
    """Whichever byte is another, or wherever it ends, it is refused when it is opened."""
    sound = file.read_bytes()
    broken = tmp_path / "broken.table"
    flips = [(place, bytes([sound[place] ^ 0x41])) for place in range(0, len(sound), 5)]
    others = [sound[:place] + byte + sound[place + 1 :] for place, byte in flips]
    for data in (*others, *(sound[:end] for end in (0, 1, 20, 48, len(sound) // 2, len(sound) - 8))):
        broken.write_bytes(data)
        with pytest.raises(TableFileError) as caught:
            TableFile(broken)
        assert str(caught.value).startswith(f"{broken}: expected the file of a table, found ")


def test_a_file_made_up_by_somebody_is_one_line(file: Path, tmp_path: Path) -> None:
    """Its version is right, and what it says of itself is not: no look-up leaves the file."""
    sound = file.read_bytes()
    rng = Random(4)
    opened = 0
    for _ in range(400):
        content = bytearray(sound[40:])
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / "made").write_bytes(sound[:8] + hashlib.sha256(content).digest() + content)
        try:
            made = TableFile(tmp_path / "made")
        except TableFileError:
            continue
        opened += 1
        for field, key in [(field, key) for field, _ in made.schema.fields for key in ("i", "j", "z")]:
            if made.schema.key.is_text:
                made.look_up(field, key, T0 + 20)
    assert 20 < opened < 380, "some of them say what could be"


def test_a_write_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing is atomic: the new version is on the disk before it takes the name."""
    sound = file.read_bytes()

    def fails(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        write_table(file, Price.table, [])
    assert file.read_bytes() == sound
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_plan_needs_the_tables_that_it_declares(tmp_path: Path, file: Path) -> None:
    """Not given, under another name, with another key or field: one line, and nothing is installed."""
    engine = _engine(tmp_path)
    with pytest.raises(fg.TableError, match="expected the file of table 'price', found none"):
        engine.install(SHOP.compile())
    engine.use_table("price", file)
    other = fg.Table.of("price", {"price": fg.int64}, key=fg.identifier, changing=True)
    graph = fg.Graph("other", {"p": other["i"]["price"]})
    with pytest.raises(fg.TableError, match=r"with price int64, as graph 'other' declares it, found decimal"):
        engine.install(graph.compile())
    with pytest.raises(fg.TableError, match="expected the file of table 'rate', found that of 'price'"):
        engine.use_table("rate", file)
    shop = engine.install(SHOP.compile())
    write_table(tmp_path / "less", fg.Table.of("price", {}, key=fg.identifier, changing=True).table, [])
    with pytest.raises(fg.TableError, match="found none; write it anew"):
        engine.use_table("price", tmp_path / "less")
    assert engine.extract(shop, at_ms=T0 + 20)["ax"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_key_that_overflows_is_an_overflow(mode: Any, tmp_path: Path) -> None:
    """What a look-up needs is its key (SEMANTICS 4.1)."""
    rate = fg.Table.of("rate", {"r": fg.int64}, key=fg.int64)
    write_table(tmp_path / "rate", rate.table, [{"key": 1, "r": 7}])
    twice = fg.request("n", fg.int64) * 2
    graph = fg.Graph("g", {"r": rate[twice]["r"], "seen": fg.rows(View).sum(rate[twice - 1]["r"])})
    engine = _engine(tmp_path, mode=mode, tables={"rate": tmp_path / "rate"})
    plan = engine.install(graph.compile())
    assert engine.extract(plan, at_ms=T0 + 20, request={"n": 1}).values == {"r": None, "seen": 28}
    with pytest.raises(fg.FeatureOverflowError, match="feature 'r'"):
        engine.extract(plan, at_ms=T0 + 20, request={"n": 2**62})


def test_a_row_is_looked_up_once(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a row says of a table is in states: a query costs the look-ups of the rows that came."""
    engine = _engine(tmp_path, mode="incremental", tables={"price": file})
    views = fg.rows(View)
    price = Price[View.item_id].price
    graph = fg.Graph(
        "g", {"sum": views.sum(price), "dear": views.where(price > fg.lit("1", fg.decimal(0))).count()}
    )
    plan = engine.install(graph.compile())
    asked: list[Any] = []
    look_up = TableFile.look_up

    def counted(self: TableFile, field: str, key: Any, until: int) -> Any:
        asked.append(key)
        return look_up(self, field, key, until)

    monkeypatch.setattr(TableFile, "look_up", counted)
    assert engine.extract(plan, at_ms=T0 + 20)["dear"] == 2
    assert sorted(asked) == ["i", "i", "j", "z"]
    engine.append({"event": "view", "item_id": "j", "ts_ms": T0 + 21})
    assert engine.extract(plan, at_ms=T0 + 30)["dear"] == 3
    assert asked[4:] == ["j"]


@pytest.mark.parametrize("mode", MODES)
def test_a_restart_with_another_version_reads_that_one(mode: Any, tmp_path: Path, file: Path) -> None:
    """No state that a table made is saved in the log: by the next start it may be another version."""
    soon = PACE._replace(least_marked=1, most_unsaved=1)
    life = fg.Graph("life", {"sum": fg.rows(View).sum(Price[View.item_id].price)})
    engine = _engine(tmp_path, mode=mode, tables={"price": file}, pace=soon)
    plan = engine.install(life.compile())
    assert engine.extract(plan, at_ms=T0 + 20)["sum"] == Decimal("8.00")
    engine.save()
    engine.log.close()
    write_table(file, Price.table, [{"key": "j", "ts_ms": T0, "price": "7.00"}])
    with EventLog(tmp_path / "events.db") as log:
        engine = Engine(log, "u", mode=mode, tables={"price": file}, pace=soon)
        engine.install(life.compile())
        assert engine.extract(plan, at_ms=T0 + 20)["sum"] == Decimal("7.00")


@pytest.mark.parametrize("mode", MODES)
def test_a_look_up_may_wait_for_the_query(mode: Any, tmp_path: Path) -> None:
    """By the age of a row, which is another at each query, as of the row: in an item, a filter and a sum."""
    rows = [{"key": age, "ts_ms": T0, "r": 10 * age} for age in (3, 4, 5, 6)]
    later = [{"key": age, "ts_ms": T0 + 18, "r": 999} for age in (3, 4, 5, 6)]
    write_table(tmp_path / "rate", Rate.table, rows + later)
    by_age = Rate[fg.age()].r
    views = fg.rows(View)
    features = {
        "items": views.sequence(2, {"r": by_age}),
        "some": views.where(by_age > 30).count(),
        "sum": views.sum(by_age),
    }
    engine = _engine(tmp_path, mode=mode, tables={"rate": tmp_path / "rate"})
    plan = engine.install(fg.Graph("g", features).compile())
    for t, items, some, total in ((20, [40, 30], 2, 120), (21, [50, 40], 3, 150), (30, [None, None], 0, 0)):
        found = engine.extract(plan, at_ms=T0 + t).values
        assert found == {"items": {"r": items}, "some": some, "sum": total}
