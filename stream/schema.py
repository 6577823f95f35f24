"""The tables of a log file, and the steps from each format to the next.

Events live in two forms (docs/adr/0015): the latest as rows, the others in sealed blocks.
`event` is the row tail of the log: one row an event, in the order of arrival, with
- `position`: (user, ts_ms, seq) is unique (SEMANTICS 1.2); user 0 stands for null, which is a value here,
- `identity`: an event_id is known once per key (1.3),
- `stream`: what a scan reads, by key, name and time.
`block` holds the sealed events (stream.blocks), `run` which piece of a block is of which key and name, and
`known` where the event_id of a sealed event stands: a hash of 32 bits, and the id of the event to look at.
Keys, users and names are numbers of `text`, so that indexes stay small. An id is given once and never again:
`meta` remembers the largest ones when the rows that had them are forgotten.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x68726C67  # "hrlg"

_FORMAT_1: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE text (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    key INTEGER NOT NULL,
    name INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    user INTEGER NOT NULL,
    event_id TEXT,
    known_ms INTEGER,
    session_id, page_id, item_id,
    payload BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX position ON event (user, ts_ms, seq);
CREATE UNIQUE INDEX identity ON event (key, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX stream ON event (key, name, ts_ms, seq);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    ts_ms INTEGER NOT NULL,
    event_id TEXT,
    event BLOB NOT NULL
);
"""

# What was answered (stream.ledger), with the newest row that had arrived: `seen_id` is an id of `event`.
_FORMAT_2: Final = """
CREATE TABLE served_graph (
    id INTEGER PRIMARY KEY,
    graph_id TEXT NOT NULL UNIQUE,
    plan BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE served (
    id INTEGER PRIMARY KEY,
    graph INTEGER NOT NULL,
    key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    seen_id INTEGER NOT NULL,
    seen_ts_ms INTEGER,
    seen_seq INTEGER,
    seen_known_ms INTEGER,
    body BLOB NOT NULL,
    crc INTEGER NOT NULL
);
"""

# Events as columns (stream.sealer writes, stream.shelf reads), whose they are, and hashes of their ids.
_FORMAT_3: Final = """
CREATE TABLE block (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    events INTEGER NOT NULL,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    owner_key INTEGER,
    owner_name INTEGER,
    joined INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX block_arrival ON block (last_id, first_id);
CREATE INDEX block_time ON block (last_ms, first_ms);
CREATE INDEX block_size ON block (owner_key, owner_name, joined, events);
CREATE TABLE run (
    key INTEGER NOT NULL,
    name INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    block INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    start INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (key, name, last_ms, block)
) WITHOUT ROWID;
CREATE INDEX run_latest ON run (key, last_ms);
CREATE INDEX run_block ON run (block);
CREATE TABLE known (
    hash INTEGER NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (hash, event)
) WITHOUT ROWID;
"""

# What was computed of a key (stream.snapshot): a hint, which may be dropped at any time.
_FORMAT_4: Final = """
CREATE TABLE snapshot (key INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""

# What other processes handed over (stream.inbox).
_FORMAT_5: Final = """
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event BLOB NOT NULL,
    crc INTEGER NOT NULL
);
"""

# Step i brings a file from format i to format i + 1, in one transaction; an empty file has format 0.
STEPS: Final = (_FORMAT_1, _FORMAT_2, _FORMAT_3, _FORMAT_4, _FORMAT_5)
FORMAT: Final = len(STEPS)
