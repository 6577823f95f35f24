"""What a row of the table of routes says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import Struct
from starlette.responses import Response

from deploy.cloud.http.call import Call
from deploy.cloud.roles import Action


class Problem(Struct, frozen=True):
    """Why something was refused, in one line."""

    error: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    action: Action | None  # None: anybody
    answer: Callable[[Call], Awaitable[Response]]
    summary: str
    takes: object = None  # the type of a JSON body; bytes: any content
    gives: object = None  # the same of the answer
    status: int = 200
    refuses: tuple[int, ...] = ()  # besides those that every route may answer with
    query: tuple[str, ...] = ()  # whole numbers
    headers: tuple[tuple[str, bool], ...] = ()  # whole numbers, each with whether it must be there
