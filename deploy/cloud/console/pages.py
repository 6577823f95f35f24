"""The overview, the rules with their history, and the audit log."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from deploy.cloud.console import rows
from deploy.cloud.console.page import Page
from deploy.cloud.console.views import deeds, edits
from deploy.cloud.console.views.table import ReleaseRow, in_force, release_row
from deploy.cloud.console.visit import Visit
from deploy.cloud.kept import MINUTE_MS
from deploy.rollout import Ruleset

LISTED: Final = 50


async def overview(visit: Visit) -> Response:
    """Show what runs where, and what was done last."""
    rules, found = await visit.service.do(release_rows, visit, in_rules=True)
    entries = await visit.service.do(visit.service.registry.audited, None, 8)
    tasks = await visit.service.do(visit.service.registry.tasks)
    return visit.page(
        "overview_live.html" if visit.is_part else "overview.html",
        {
            "rules": rules,
            "rows": in_force(found),
            "tasks": tasks,
            "deeds": deeds.deeds(entries),
            "listeners": visit.service.listeners.count,
        },
    )


async def rulesets(visit: Visit) -> Response:
    """Show each version of the rules with what it changed."""
    below = _number(visit.query("before"))
    kept = await visit.service.do(rows.rulesets, visit.service.database, below, LISTED + 1)
    steps = [
        (new, edits.told(None if old is None else old.rules, new.rules))
        for new, old in zip(kept, [*kept[1:], None], strict=True)
    ][:LISTED]
    version = await visit.service.do(visit.service.registry.version)
    more = kept[LISTED - 1].rules.version if len(kept) > LISTED else None
    return visit.page("rulesets.html", {"steps": steps, "version": version, "more": more})


async def audit_log(visit: Visit) -> Response:
    """Show who did what."""
    before = _number(visit.query("before"))
    entries = await visit.service.do(visit.service.registry.audited, before, LISTED + 1)
    more = entries[LISTED - 1].id if len(entries) > LISTED else None
    return visit.page("audit.html", {"deeds": deeds.deeds(entries[:LISTED]), "more": more})


def release_rows(
    visit: Visit, task: str | None = None, *, in_rules: bool = False
) -> tuple[Ruleset, list[ReleaseRow]]:
    """Return the ruleset in force and releases as rows: of TASK or of all, that ever were or are IN_RULES."""
    database, minute = visit.service.database, visit.now_ms // MINUTE_MS
    rules = visit.service.registry.ruleset()
    gates = {gate.release: gate for gate in visit.service.gates.all()}
    found = [each for each in rows.releases(database, task) if not in_rules or each.id in rules.releases]
    return rules, [
        release_row(each, rules, visit.sums.of(database, each.id, minute), gates.get(each.id))
        for each in found
    ]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


PAGES = (
    Page("GET", "", "view", overview),
    Page("GET", "/rules", "view", rulesets),
    Page("GET", "/audit", "view", audit_log),
)
