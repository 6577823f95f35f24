"""Templates to pages: whatever is shown is escaped, unless a chart made it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from deploy.cloud.console import words
from deploy.cloud.console.assets import assets
from deploy.cloud.console.chart.bars import bar
from deploy.cloud.console.chart.draw import svg

BASE: Final = "/console"
# Nothing but the console's own files, no inline script or style, in no other site's frame.
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "vary": "cookie, hx-request",
}


@cache
def environment() -> Environment:
    """Return the templates."""
    made = Environment(
        loader=PackageLoader("deploy.cloud.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({name: getattr(words, name) for name in _FILTERS})
    made.globals.update(base=BASE, svg=_markup(svg), bar=_markup(bar), assets=assets())
    return made


_FILTERS: Final = ("count", "decimal", "share", "span", "ago", "when", "machine_time", "short", "bytes_")


def page(template: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """Return TEMPLATE with VALUES as an answer."""
    return HTMLResponse(environment().get_template(template).render(values), status, HEADERS)


def _markup(draw: Any) -> Any:
    return lambda *args, **kwargs: Markup(draw(*args, **kwargs))  # noqa: S704 - charts escape what they are given
