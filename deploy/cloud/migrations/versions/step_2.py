"""Gates: what leads a release, what it saw, and the devices that it counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gate",
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("control", sa.String(128)),
        sa.Column("policy", sa.LargeBinary, nullable=False),
        sa.Column("fleet", sa.BigInteger, nullable=False),
        sa.Column("began_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("stand", sa.LargeBinary, nullable=False),
        sa.Column("look", sa.LargeBinary),
        sa.Column("looked_ms", sa.BigInteger, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("release", name="pk_gate"),
    )
    op.create_index("ix_gate_state", "gate", ["state"])
    op.create_table(
        "look",
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("release", "at_ms", name="pk_look"),
    )
    op.create_table(
        "seen",
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("device", sa.LargeBinary(16), nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("release", "device", name="pk_seen"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entrant",
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.Column("event", sa.String(80), nullable=False),
        sa.Column("devices", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("release", "minute", "event", name="pk_entrant"),
        sqlite_with_rowid=False,
    )
