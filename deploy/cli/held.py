"""Private keys that commands sign with, and the passphrase that opens them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.errors import TrustError
from deploy.trust import keys
from deploy.trust.keys import Key

PASSPHRASE: Final = "HEADRACE_PASSPHRASE"  # noqa: S105 - the name of a variable

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", metavar="FILE", help=f"Its first line opens the keys; else ${PASSPHRASE}."
    ),
]


def held(files: Sequence[Path], passphrase_file: Path | None) -> list[Key]:
    """Return the private keys in FILES; those without a passphrase need none."""
    secret = passphrase(passphrase_file)
    return [keys.read(file, secret if keys.is_hidden(file) else None) for file in files]


def passphrase(file: Path | None) -> bytes | None:
    """Return the first line of FILE, without one what the environment says, None where that is nothing."""
    if file is None:
        return os.environ.get(PASSPHRASE, "").encode() or None
    line = file.read_bytes()[:4_096].split(b"\n", 1)[0].strip()
    if not line:
        raise TrustError(f"{file}: expected a passphrase in its first line, found none; write one")
    return line
