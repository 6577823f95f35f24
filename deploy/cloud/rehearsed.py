"""What became of a bundle on recorded events before its first device, and who finds out. Pure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from deploy.task.manifest import Manifest

MAX_RECORDING: Final = 4 << 20  # signs
Recording = Annotated[str, Meta(max_length=MAX_RECORDING)]


class Rehearsed(Struct, frozen=True):
    """One rehearsal."""

    events: int = 0
    asks: int = 0
    p99_us: int = 0  # of a call, on the service's machine
    error: str = ""  # why it failed, "" if it did not


# The folder with the blobs, a bundle, a recording; raises ServiceError (422) where it fails.
Rehearse = Callable[[Path, Manifest, str], Rehearsed]
