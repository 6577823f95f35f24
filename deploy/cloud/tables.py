"""The tables of the service's database; whatever has bytes of its own form is kept in that form.

token      who may do what; a secret only as its hash
bundle     manifests, all of whose blobs are there
version    the histories of tasks
ruleset    every version of the rules; the largest is in force, none is ever changed
release    where each release began: an id means one thing for ever
audit      who did what
reported   the ids of reports that were counted
report     reports of failures, and a sample of the others
counter    what was counted of a release within a minute
gate       each release that gates lead: its policy, and where it stands
look       what a gate saw and said
seen       devices of a release that a gate leads: when each entered, and what was told of it
entrant    the same as counts of devices, by the minute of their entry; -1: those watched to the end
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_COUNTED = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only what is an INTEGER

TOKEN: Final = Table(
    "token",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("name", String(256), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)
BUNDLE: Final = Table(
    "bundle",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("task", String(64), nullable=False, index=True),
    Column("manifest", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String(16), nullable=False),
)
VERSION: Final = Table(
    "version",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("task", String(64), nullable=False),
    Column("place", Integer, nullable=False),  # in the history of the task, from 1
    Column("bundle", String(64), ForeignKey("bundle.id"), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String(16), nullable=False),
    Index("uq_version_place", "task", "place", unique=True),  # one history, however many publishers
)
RULESET: Final = Table(
    "ruleset",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String(16), nullable=False),
)
RELEASE: Final = Table(
    "release",
    METADATA,
    Column("id", String(128), primary_key=True),
    Column("task", String(64), nullable=False, index=True),
    Column("bundle", String(64), ForeignKey("bundle.id"), nullable=False),
    Column("ruleset", BigInteger, ForeignKey("ruleset.version"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("halted_ms", BigInteger),  # once halted it stays so, also when it ended meanwhile
)
AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("id", _COUNTED, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", String(16), nullable=False),
    Column("name", String(256), nullable=False),
    Column("action", String(32), nullable=False),
    Column("what", String(256), nullable=False),
    Column("detail", Text, nullable=False),
)
REPORTED: Final = Table(
    "reported",
    METADATA,
    Column("id", LargeBinary(16), primary_key=True),
    Column("minute", Integer, nullable=False, index=True),
    sqlite_with_rowid=False,
)
REPORT: Final = Table(
    "report",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("release", String(128), nullable=False),
    Column("came_ms", BigInteger, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False),
    Index("ix_report_release", "release", "came_ms"),
)
COUNTER: Final = Table(
    "counter",
    METADATA,
    Column("release", String(128), primary_key=True),
    Column("minute", Integer, primary_key=True),  # since 1970, by the service's clock
    Column("name", String(320), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
GATE: Final = Table(
    "gate",
    METADATA,
    Column("release", String(128), primary_key=True),
    Column("task", String(64), nullable=False),
    Column("control", String(128)),
    Column("policy", LargeBinary, nullable=False),
    Column("fleet", BigInteger, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("stand", LargeBinary, nullable=False),
    Column("look", LargeBinary),  # the last one
    Column("looked_ms", BigInteger, nullable=False),
    Column("serial", BigInteger, nullable=False),  # counts up with each change: who saw an older one is late
)
LOOK: Final = Table(
    "look",
    METADATA,
    Column("release", String(128), primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("content", LargeBinary, nullable=False),
)
SEEN: Final = Table(
    "seen",
    METADATA,
    Column("release", String(128), primary_key=True),
    Column("device", LargeBinary(16), primary_key=True),  # a hash of its id
    Column("minute", Integer, nullable=False),
    Column("hits", BigInteger, nullable=False),  # a bit per event of the policy, in the order of their names
    sqlite_with_rowid=False,
)
ENTRANT: Final = Table(
    "entrant",
    METADATA,
    Column("release", String(128), primary_key=True),
    Column("minute", Integer, primary_key=True),
    Column("event", String(80), primary_key=True),  # "": all that entered
    Column("devices", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
