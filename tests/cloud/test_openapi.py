"""The OpenAPI document, derived from the table of routes, is true for a tool that somebody else wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="the extra dev is not installed")

ENDLESS = "/v1/hints"
ROLES = (  # who may do most of what a path offers: otherwise all of it would be 403
    ("/v1/check", "device"),
    ("/v1/reports", "device"),
    ("/v1/blobs", "publisher"),
    ("/v1/bundles", "publisher"),
    ("/v1/versions", "publisher"),
    ("/", "releaser"),
)
# A value may be refused for what no schema can say: a hash, or a version that is not in force.
LEFT_OUT = {"missing_required_header", "unsupported_method", "positive_data_acceptance"}
ONCE = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_other_tools_read_the_document_and_find_it_true(running: Any) -> None:
    """Schemathesis sends what the document allows and what it does not; every answer is one that it tells."""
    schema = schemathesis.openapi.from_url(f"{running.url}/v1/openapi.json")
    checks = [each for each in schemathesis.checks.CHECKS.get_all() if each.__name__ not in LEFT_OUT]
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == ENDLESS:
            continue
        role = next(role for start, role in ROLES if operation.path.startswith(start))
        headers = {"Authorization": f"Bearer {running.secrets[role]}"}

        def one(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=checks)  # noqa: B023 - called before the next turn

        ONCE(given(case=operation.as_strategy())(one))()
        asked += 1
    assert asked > 20


@pytest.mark.checkout
def test_every_route_is_on_its_page() -> None:
    """The page of the service lists each route in the order of the table, with its summary."""
    from deploy.cloud.app import ROUTES

    page = (Path(__file__).parents[2] / "docs/reference/service-http.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z]+ [^`]+)` \| [^|]+ \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(f"{r.method} {r.path.replace(':path', '')}", r.summary) for r in ROUTES]
