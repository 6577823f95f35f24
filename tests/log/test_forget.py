"""What is forgotten is gone: from answers, from what is known, from the file's bytes (SEMANTICS 8.1)."""

from __future__ import annotations

from pathlib import Path
from random import randbytes
from typing import Any

import pytest

from featuregraph.errors import EventError
from stream.log import EventLog

pytestmark = pytest.mark.device

PRIVATE = "nobody-may-find-this"
E = {"event": "e", "ts_ms": 5, "user_id": "u", "event_id": "a"}
OTHER = {"event": "other", "ts_ms": 9, "user_id": "v", "event_id": "b"}


@pytest.mark.parametrize("what", [{"before": 6}, {"key": "u"}, {"event_id": "a"}])
def test_it_is_as_if_the_event_had_never_been(log: EventLog, what: dict[str, Any]) -> None:
    """Its row, its event_id and its position are free again; others stay."""
    log.append_many([{**E, "seq": 0}, OTHER])
    assert log.forget(**what) == 1
    assert (log.count, log.keys(), log.max_ts("u")) == (1, ["v"], None)
    assert log.append({**E, "seq": 0}).accepted == 1
    assert log.forget(event_id="unknown") == 0


def test_an_event_id_is_forgotten_under_every_key(log: EventLog) -> None:
    """forget(event_id=) removes the events of that id, whoever's they are."""
    log.append_many([E, {**E, "user_id": "v"}, OTHER])
    assert log.forget(event_id="a") == 2


def test_an_integer_stands_for_its_text(log: EventLog) -> None:
    """forget(key=7) forgets the key "7", as an event of user 7 belongs to it."""
    log.append({**E, "user_id": "7"})
    assert log.forget(key=7) == 1


@pytest.mark.parametrize("where", ["user_id", "event", "event_id", "session_id", "x", PRIVATE])
@pytest.mark.parametrize("apart", [False, True])
def test_no_byte_is_left(path: Path, log: EventLog, where: str, apart: bool) -> None:
    """No file of the log has a text of a forgotten event: no page, index, free page or write-ahead log."""
    for i in range(200):
        log.append({**OTHER, "event_id": str(i), "ts_ms": 9 + i, "attrs": {"y": "z" * 300}})
        log.append({**E, "event_id": f"{i}-a", "ts_ms": 2**60 if apart else 5, where: f"{PRIVATE}-{i}"})
    assert found_in(path)
    removed = log.forget(before=6)
    for key in {event.key for event in log.quarantined()}:
        removed += log.forget(key=key)
    assert (removed, log.count) == (200, 200)
    assert not found_in(path)
    assert log.check() == []


def found_in(path: Path) -> list[str]:
    """Return the files of the log that hold the private text."""
    return [file.name for file in path.parent.iterdir() if PRIVATE.encode() in file.read_bytes()]


def test_the_file_shrinks(path: Path, log: EventLog) -> None:
    """Pages that are free are given back."""
    log.append_many([{**E, "event_id": None, "ts_ms": i, "x": randbytes(500).hex()} for i in range(2_000)])
    log.flush()
    before = path.stat().st_size
    log.forget(before=1_900)
    assert path.stat().st_size < before / 5
    assert log.stats().free_bytes == 0


def test_a_reader_puts_the_wiping_off(path: Path, open_log: Any) -> None:
    """While a reader holds the old state the write-ahead log cannot be cut; flush does it afterwards."""
    from stream.limits import Limits

    log = open_log(limits=Limits(busy_ms=10))
    log.append({**E, "x": PRIVATE})
    with log.reading() as reader:
        reader.execute("SELECT count(*) FROM event").fetchone()
        assert log.forget(key="u") == 1
        assert found_in(path)
    log.flush()
    assert not found_in(path)


def test_the_generation_tells_that_rows_went(log: EventLog, open_log: Any) -> None:
    """It changes when rows were removed, and only then; a restart keeps it."""
    log.append(E)
    start = log.generation
    log.forget(key="nobody")
    assert log.generation == start
    log.forget(key="u")
    after = log.generation
    assert after != start
    log.close()
    assert open_log().generation == after


@pytest.mark.parametrize(
    "what",
    [{}, {"before": 1, "key": "u"}, {"key": True}, {"before": "x"}, {"event_id": 1.5}, {"before": 2**63}],
)
def test_forget_takes_exactly_one_of_its_words(log: EventLog, what: dict[str, Any]) -> None:
    """Anything else is refused, and nothing is forgotten."""
    log.append(E)
    with pytest.raises(EventError, match="expected"):
        log.forget(**what)
    assert log.count == 1
