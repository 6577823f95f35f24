"""What a row of the table of pages says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from deploy.cloud.console.visit import Visit
from deploy.cloud.roles import Action


@dataclass(frozen=True, slots=True)
class Page:
    """One method of one path below the console."""

    method: Literal["GET", "POST"]
    path: str
    action: Action | None  # None: anybody
    answer: Callable[[Visit], Awaitable[Response]]
