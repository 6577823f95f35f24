"""Events from every kind of source mean what the reference reads in them, with as little read as can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featuregraph import FeatureGraphError
from featuregraph.arrow import read_events, write_events
from stream import replay
from stream.testing.recordings import Recording, expected, random_recording

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

SEEDS = st.integers(0, 2**48)


def replayed(recording: Recording, events: Any, **options: Any) -> Any:
    """Return the table that replay gives, or the kind of its error."""
    try:
        return replay(recording.plan, events, recording.queries, **options)
    except FeatureGraphError as error:
        return error.kind


def as_lines(recording: Recording, folder: Path) -> tuple[Any, Any]:
    """Write the events as JSON lines."""
    path = folder / "e.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in recording.events))
    return path, recording.events


def as_rows(recording: Recording, folder: Path) -> tuple[Any, Any]:
    """Leave the events as they are."""
    return iter(recording.events), recording.events


def as_table(recording: Recording, folder: Path) -> tuple[Any, Any]:
    """Make the events a table of canonical columns."""
    table = write_events(recording.events)
    return table, read_events(table)


def as_parquet(recording: Recording, folder: Path) -> tuple[Any, Any]:
    """Write the events as Parquet in small row groups, attrs as a map."""
    table = write_events(recording.events)
    pq.write_table(table, folder / "e.parquet", row_group_size=3)
    return folder / "e.parquet", read_events(table)


def as_typed(recording: Recording, folder: Path) -> tuple[Any, Any]:
    """Write the events as Parquet with a column per attribute."""
    table = write_events(recording.events)
    names = sorted({name for row in table.column("attrs").to_pylist() for name, _ in row or ()})
    for name in names:
        values = [dict(row or ()).get(name) for row in table.column("attrs").to_pylist()]
        table = (
            table.append_column(name, pa.array(values, pa.string()))
            if name not in table.column_names
            else table
        )
    table = table.drop_columns(["attrs"])
    pq.write_table(table, folder / "e.parquet", row_group_size=3)
    return folder / "e.parquet", read_events(table)


@pytest.mark.parametrize("write", [as_rows, as_lines, as_table, as_parquet, as_typed])
@settings(max_examples=12)
@given(seed=SEEDS, workers=st.integers(1, 2))
def test_every_source_gives_what_the_reference_gives(
    tmp_path_factory: pytest.TempPathFactory,
    write: Callable[[Recording, Path], tuple[Any, Any]],
    seed: int,
    workers: int,
) -> None:
    """Values and errors, whatever is left out because no query sees it, by any number of threads."""
    recording = random_recording(Random(seed))
    try:
        source, events = write(recording, tmp_path_factory.mktemp("e"))
    except (FeatureGraphError, pa.ArrowInvalid, UnicodeEncodeError):
        return  # no such file can be
    wanted, found = expected(recording, events), replayed(recording, source, workers=workers)
    if isinstance(wanted, str) or isinstance(found, str):
        assert found == wanted
    else:
        assert found.equals(wanted)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_row_that_is_wrong_is_named(tmp_path: Path, workers: int) -> None:
    """By its row group, however many are read at a time."""
    recording = random_recording(Random(1))
    names = [None if n in (20, 38) else "a" for n in range(60)]
    table = pa.table({"user_id": ["u"] * 60, "event": names, "ts_ms": range(60)})
    pq.write_table(table, tmp_path / "e.parquet", row_group_size=3)
    with pytest.raises(
        FeatureGraphError, match=r"e\.parquet, row group 6, row 3, column event: expected event"
    ):
        replay(recording.plan, tmp_path / "e.parquet", recording.queries, workers=workers)
