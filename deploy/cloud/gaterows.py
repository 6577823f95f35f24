"""A gate as a row, and back; a row moves only from where it was seen."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, insert, update

from deploy import canonical
from deploy.cloud.looks import Gate, Look
from deploy.cloud.staged import Overtaken
from deploy.cloud.tables import GATE, LOOK
from deploy.gate.policy import Policy
from deploy.gate.stage import Stand


def move(connection: Connection, before: Gate, after: Gate) -> None:
    """Let AFTER stand where BEFORE stands; raise Overtaken if something else does."""
    mine = (GATE.c.release == before.release, GATE.c.serial == before.serial)
    if connection.execute(update(GATE).where(*mine).values(**row_of(after))).rowcount != 1:
        raise Overtaken


def keep_look(connection: Connection, release: str, look: Look) -> None:
    """Keep LOOK at RELEASE for charts."""
    row = {"release": release, "at_ms": look.at_ms, "verdict": look.verdict, "content": look.to_json()}
    connection.execute(insert(LOOK), row)


def row_of(gate: Gate) -> dict[str, Any]:
    """Return GATE as what changes of its row."""
    return {
        "release": gate.release,
        "task": gate.task,
        "control": gate.control,
        "policy": gate.policy.to_json(),
        "fleet": gate.fleet,
        "state": gate.state,
        "stand": canonical.encode(gate.stand),
        "look": None if gate.look is None else gate.look.to_json(),
        "looked_ms": gate.looked_ms,
        "serial": gate.serial,
    }


def gate_of(row: Any) -> Gate:
    """Return the gate in ROW."""
    look = row["look"]
    return Gate(
        row["release"],
        row["task"],
        row["bundle"],
        row["control"],
        Policy.from_json(row["policy"]),
        row["fleet"],
        row["began_ms"],
        msgspec.json.decode(row["stand"], type=Stand),
        row["state"],
        None if look is None else msgspec.json.decode(look, type=Look),
        row["looked_ms"],
        row["serial"],
    )
