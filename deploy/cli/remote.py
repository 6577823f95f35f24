"""Options of the commands that ask a service, and the service that they name."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.cloud.client import Remote
from deploy.errors import ServiceError

ServiceOption = Annotated[
    str, typer.Option("--service", envvar="HEADRACE_SERVICE", help="The service's URL.", metavar="URL")
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="HEADRACE_TOKEN",
        help="Who asks; from the environment nobody sees it.",
        metavar="TOKEN",
    ),
]


def remote(url: str, token: str) -> Remote:
    """Return the service at URL; raise ServiceError if nothing names it."""
    if not url.startswith(("http://", "https://")) or not token:
        raise ServiceError(
            "expected a service's URL and a token, found none; give --service and HEADRACE_TOKEN"
        )
    return Remote(url, token)
