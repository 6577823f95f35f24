"""Folders of Parquet files: partitions, foreign files, damaged pages; by row group and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream import EventFileError, dataset
from stream.tables import count_rows, read_events
from stream.tabular import read_queries

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path: Path, *, first: int = 0, rows: int = 10, **columns: list[Any]) -> Path:
    """Write events at FIRST, FIRST + 1..., four to a row group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = list(range(first, first + rows))
    table = pa.table({"user_id": [f"u{n % 3}" for n in times], "ts_ms": times, **columns})
    pq.write_table(table, path, row_group_size=4, write_page_checksum=True)
    return path


def test_a_folder_gives_the_columns_of_its_paths(tmp_path: Path) -> None:
    """Their values are text, percent signs are read, and a column of the file goes before one of its path."""
    write(tmp_path / "event=view" / "shop=a%2Fb" / "1.parquet", rows=2)
    write(tmp_path / "event=buy" / "shop=__HIVE_DEFAULT_PARTITION__" / "2.parquet", rows=1, shop=["own"])
    write(tmp_path / "event=buy" / "shop=__HIVE_DEFAULT_PARTITION__" / "1.pq", first=5, rows=1)
    rows = [event for batch in read_events(tmp_path) for event in batch]
    assert [(r["event"], r["shop"], r["ts_ms"]) for r in rows] == [
        ("buy", None, 5),
        ("buy", "own", 0),
        ("view", "a/b", 0),
        ("view", "a/b", 1),
    ]
    assert count_rows(tmp_path) == 4
    asked = read_queries(tmp_path, ("user_id",))
    assert asked.column("shop").to_pylist() == [None, "own", "a/b", "a/b"]


def test_foreign_files_are_named(tmp_path: Path) -> None:
    """What begins with "_" or "." is no data; any other file ends the reading before it begins."""
    write(tmp_path / "a.parquet")
    for name in ("_SUCCESS", ".a.parquet.crc", "_temporary/0/b.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("no")
    assert count_rows(tmp_path) == 10
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "readme.txt").write_text("no")
    with pytest.raises(EventFileError, match=r"sub/readme\.txt: expected only \.parquet and \.pq files"):
        next(read_events(tmp_path))


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    """It is no empty history: somebody named the wrong one."""
    with pytest.raises(EventFileError, match="expected Parquet files in the folder, found none"):
        count_rows(tmp_path)


def test_a_damaged_page_names_file_row_group_and_column(tmp_path: Path) -> None:
    """A bit that flips inside a page is found by the page's checksum; other columns can still be read."""
    path = write(tmp_path / "e" / "event=view" / "1.parquet")
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.dictionary_page_offset + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(
        EventFileError, match=r"1\.parquet, row group 1, column user_id: expected sound"
    ) as told:
        list(read_events(tmp_path / "e"))
    assert "\n" not in str(told.value)
    read = dataset.batches(tmp_path / "e", EventFileError, 100, lambda group: ("ts_ms",))
    assert sum(batch.num_rows for _, batch in read) == 10


def test_groups_are_left_out_unread(tmp_path: Path) -> None:
    """Who reads says which columns of a group, and () for none, from what the footer tells."""
    write(tmp_path / "e.parquet")

    def late_ones(group: dataset.Group) -> tuple[str, ...]:
        return ("user_id",) if group.statistics("ts_ms").max >= 8 else ()

    read = list(dataset.batches(tmp_path / "e.parquet", EventFileError, 100, late_ones))
    assert [(group.number, batch.to_pydict()) for group, batch in read] == [(2, {"user_id": ["u2", "u0"]})]
