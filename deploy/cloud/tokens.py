"""Tokens in the database: made and revoked by whoever holds it, never over the network."""

from __future__ import annotations

import secrets
from typing import Final, get_args

from sqlalchemy import func, insert, select, update

from deploy.cloud import audit
from deploy.cloud.database import Database
from deploy.cloud.roles import Role, Who, hashed, new_secret
from deploy.cloud.tables import TOKEN
from deploy.errors import ServiceError
from deploy.limits import MAX_LINE

MAX_TOKENS: Final = 1_000  # that are valid at once: a fleet shares one
OPERATOR: Final = Who("", "operator", "viewer")  # who sits at the service itself


def add(database: Database, role: Role, name: str, at_ms: int) -> tuple[Who, str]:
    """Make a token of ROLE; return it and its secret, which is shown this once."""
    if role not in get_args(Role):
        raise ServiceError(
            f"token: expected one of {', '.join(get_args(Role))}, found {role!r:.40}; correct it"
        )
    if not name.isprintable() or not 0 < len(name) <= MAX_LINE:
        raise ServiceError(
            f"token: expected a name of 1 to {MAX_LINE} printable signs, found another; correct it"
        )
    who, secret = Who(secrets.token_hex(8), name, role), new_secret()
    with database.writing() as connection:
        valid = select(func.count()).select_from(TOKEN).where(TOKEN.c.revoked_ms.is_(None))
        if connection.execute(valid).scalar_one() >= MAX_TOKENS:
            raise ServiceError(f"token: expected at most {MAX_TOKENS} valid ones, found as many; revoke some")
        row = {"id": who.id, "hash": hashed(secret.encode()), "role": role, "name": name, "made_ms": at_ms}
        connection.execute(insert(TOKEN), row)
        audit.write(connection, OPERATOR, at_ms, "token.add", who.id, role=role, name=name)
    return who, secret


def revoke(database: Database, token: str, at_ms: int) -> None:
    """Let nobody come by the token with the id TOKEN any more."""
    with database.writing() as connection:
        found = (
            update(TOKEN).where(TOKEN.c.id == token, TOKEN.c.revoked_ms.is_(None)).values(revoked_ms=at_ms)
        )
        if not connection.execute(found).rowcount:
            raise ServiceError(f"token {token!r:.40}: expected a valid one, found none; see the list", 404)
        audit.write(connection, OPERATOR, at_ms, "token.revoke", token)


def valid(database: Database) -> dict[str, Who]:
    """Return the tokens that are valid, by the hash of their secret."""
    with database.reading() as connection:
        query = select(TOKEN).where(TOKEN.c.revoked_ms.is_(None)).limit(MAX_TOKENS)
        return {row.hash: Who(row.id, row.name, row.role) for row in connection.execute(query)}
