"""The service's database: SQLite or PostgreSQL by its URL, transactions, and the steps of its form.

1. SQLite: a write transaction takes the lock as it begins, so that what it read still stands when it writes;
   WAL, so that readers never wait; synchronous=FULL, so that what was answered survives a power cut.
2. PostgreSQL: a transaction at its default level; who writes relies on keys that are unique, and begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from deploy.errors import ServiceError
from featuregraph.shown import bounded

_DRIVERS: Final = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+pg8000",
    "postgres": "postgresql+pg8000",
}
INSERT: Final[dict[str, Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}  # on conflict
_BUSY_S: Final = 30
_STEP: Final = "see that it runs and has room, then try again"


class Database:
    """One database; any number of threads may use it."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(_url(url))

    @property
    def dialect(self) -> str:
        """Return its kind: sqlite or postgresql."""
        return self._engine.dialect.name

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that is kept at the end, or not at all.

        Raises:
            IntegrityError: a key was taken meanwhile; begin anew.
            ServiceError: the database does not answer.
        """
        with _one_line(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a transaction that only reads."""
        with _one_line(), self._engine.connect() as connection:
            yield connection.execution_options(reads=True)

    def migrate(self) -> None:
        """Bring the database to the form that this code knows."""
        from alembic import command

        with self.writing() as connection:
            command.upgrade(_steps(connection), "head")

    def is_current(self) -> bool:
        """Tell whether the database has the form that this code knows."""
        from alembic.runtime.migration import MigrationContext
        from alembic.script import ScriptDirectory

        with self.reading() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            return found == ScriptDirectory.from_config(_steps(connection)).get_current_head()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ServiceError(
            "database: expected a URL such as sqlite:////srv/headrace/service.db, found another text"
        ) from error
    driver = _DRIVERS.get(url.drivername.partition("+")[0])
    if driver is None:
        raise ServiceError(
            f"database: expected sqlite or postgresql, found {url.drivername!r:.40}; choose one of them"
        )
    return url.set(drivername=driver)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(url, pool_pre_ping=True)
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _steps(connection: Connection) -> Any:
    """Return alembic's configuration: our migrations on CONNECTION."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("deploy.cloud") / "migrations"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _one_line() -> Iterator[None]:
    """Let whatever the database refuses be one line, but for a taken key, which its writer answers."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise ServiceError(bounded(f"database: expected an answer, found: {cause}; {_STEP}"), 503) from error
