"""The first form, with an empty ruleset in force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _people()
    _tasks()
    _rules()
    _told()


def _people() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("hash", name="uq_token_hash"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("what", sa.String(256), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )


def _tasks() -> None:
    op.create_table(
        "bundle",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bundle"),
    )
    op.create_index("ix_bundle_task", "bundle", ["task"])
    op.create_table(
        "version",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
        sa.ForeignKeyConstraint(["bundle"], ["bundle.id"], name="fk_version_bundle"),
    )
    op.create_index("uq_version_place", "version", ["task", "place"], unique=True)


def _rules() -> None:
    ruleset = op.create_table(
        "ruleset",
        sa.Column("version", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_ruleset"),
    )
    empty = b'{"format":1,"halted_tasks":[],"releases":{},"version":1}'
    op.bulk_insert(ruleset, [{"version": 1, "content": empty, "at_ms": 0, "by": ""}])
    op.create_table(
        "release",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("bundle", sa.String(64), nullable=False),
        sa.Column("ruleset", sa.BigInteger, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("halted_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_release"),
        sa.ForeignKeyConstraint(["bundle"], ["bundle.id"], name="fk_release_bundle"),
        sa.ForeignKeyConstraint(["ruleset"], ["ruleset.version"], name="fk_release_ruleset"),
    )
    op.create_index("ix_release_task", "release", ["task"])


def _told() -> None:
    op.create_table(
        "reported",
        sa.Column("id", sa.LargeBinary(16), nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reported"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_reported_minute", "reported", ["minute"])
    op.create_table(
        "report",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("came_ms", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_report"),
    )
    op.create_index("ix_report_came_ms", "report", ["came_ms"])
    op.create_index("ix_report_release", "report", ["release", "came_ms"])
    op.create_table(
        "counter",
        sa.Column("release", sa.String(128), nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.Column("name", sa.String(320), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("release", "minute", "name", name="pk_counter"),
    )
