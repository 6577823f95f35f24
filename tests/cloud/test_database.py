"""The database has one form, on SQLite and on PostgreSQL, and its steps lead to it."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from deploy.cloud.database import Database
from deploy.cloud.tables import METADATA, REPORTED
from deploy.errors import ServiceError


def test_the_steps_lead_to_the_tables(url: str) -> None:
    """After all steps the database has exactly the tables that are declared."""
    database = Database(url)
    assert not database.is_current()
    database.migrate()
    database.migrate()
    assert database.is_current()
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    database.close()


def test_a_transaction_is_kept_whole_or_not_at_all(url: str) -> None:
    """A transaction that fails in its second row keeps none."""
    database = Database(url)
    database.migrate()
    with pytest.raises(IntegrityError), database.writing() as connection:
        connection.execute(insert(REPORTED), [{"id": b"0" * 16, "minute": n} for n in (1, 2)])
    with database.reading() as connection:
        assert connection.execute(select(REPORTED)).all() == []
    database.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "database: expected a URL"),
        ("mysql://host/db", "expected sqlite or postgresql"),
        ("sqlite:////nowhere/at/all.db", "database: expected an answer"),
        ("postgresql://nobody@127.0.0.1:1/none", "database: expected an answer"),
    ],
)
def test_what_is_no_database_is_refused_in_one_line(url: str, said: str) -> None:
    """A wrong URL, a missing folder and a dead server are one line each."""
    with pytest.raises(ServiceError, match=said) as refused:
        Database(url).migrate()
    assert "\n" not in str(refused.value)
