"""Tasks, the history of one, and one version with what it means."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from deploy.cloud.console import graphs, pages, rows
from deploy.cloud.console.page import Page
from deploy.cloud.console.views.charts import task_charts
from deploy.cloud.console.views.mark import task_mark
from deploy.cloud.console.views.meaning import Meaning
from deploy.cloud.console.views.table import TaskRow, in_force, task_rows
from deploy.cloud.console.visit import Visit
from deploy.cloud.console.windows import SPANS, every_s, window
from deploy.cloud.kept import MINUTE_MS
from deploy.errors import DeployError, ServiceError
from deploy.rollout import Ruleset
from deploy.task.manifest import Manifest, TaskName
from deploy.task.version import Version
from inference.contract import Sha256

LISTED: Final = 100  # versions of one page
TOLD: Final = 10  # of those, with what each changed


async def list_tasks(visit: Visit) -> Response:
    """Show the tasks."""
    return visit.page("tasks.html", {"rows": await visit.service.do(_task_rows, visit)})


async def show_task(visit: Visit) -> Response:
    """Show a task: what its devices run, its releases, its versions."""
    task, do = visit.call.word("task", TaskName), visit.service.do
    versions = await do(lambda: list(visit.service.registry.history(task, LISTED)))
    bundles = await do(rows.bundles, visit.service.database, task)
    if not bundles:
        raise ServiceError(f"task {task}: expected one that was published, found none; see the list", 404)
    rules, found = await do(pages.release_rows, visit, task)
    now = visit.now_ms // MINUTE_MS
    since = min((row.since_ms // MINUTE_MS for row in found), default=now)
    span, over = window(now, visit.query("span"), since)
    names = [each.name for each in in_force(found)][:12]
    counted = {name: await do(rows.series, visit.service.database, name, over) for name in names}
    return visit.page(
        "task_live.html" if visit.is_part else "task.html",
        {
            "task": task,
            "mark": task_mark(task, rules),
            "rows": found,
            "charts": task_charts(over, now, counted),
            "span": span,
            "spans": tuple(SPANS),
            "every_s": every_s(span),
            "versions": [(each, await do(_said, visit, each)) for each in versions[:TOLD]],
            "older": versions[TOLD:],
            "bundles": bundles,
        },
    )


async def show_version(visit: Visit) -> Response:
    """Show a version, and what it means against another: its parent, if nobody chose."""
    sha256, registry, do = visit.call.word("sha256", Sha256), visit.service.registry, visit.service.do
    version = await do(registry.find_version, sha256)
    if version is None:
        raise ServiceError(
            f"version {sha256[:12]}: expected one that was committed, found none; see the task", 404
        )
    manifest = await do(registry.manifest, version.bundle)
    history = await do(lambda: list(registry.history(version.task, LISTED)))
    against = _against(visit.query("against"), version, history)
    other = await do(registry.find_version, against) if against else None
    meaning, problem = await do(_meaning, visit, other, manifest)
    rules = await do(registry.ruleset)
    return visit.page(
        "version.html",
        {
            "version": version,
            "manifest": manifest,
            "history": [each for each in history if each.id != version.id],
            "other": other,
            "meaning": meaning,
            "problem": problem,
            "releases": [
                name for name, each in sorted(rules.releases.items()) if each.bundle == version.bundle
            ],
        },
    )


def _against(asked: str, version: Version, history: list[Version]) -> str | None:
    return asked if asked in {each.id for each in history} else version.parent


def _task_rows(visit: Visit) -> list[TaskRow]:
    registry = visit.service.registry
    rules: Ruleset = registry.ruleset()

    def head(task: str) -> tuple[int, Version | None]:
        return registry.length(task), registry.head(task)

    return list(task_rows(registry.tasks(), rules, head))


def _said(visit: Visit, version: Version) -> str:
    """Return in a line what VERSION changed of its parent."""
    parent = visit.service.registry.find_version(version.parent) if version.parent else None
    if parent is None:
        return "The first version."
    meaning, problem = _meaning(visit, parent, visit.service.registry.manifest(version.bundle))
    return problem if meaning is None else meaning.said


def _meaning(visit: Visit, other: Version | None, manifest: Manifest) -> tuple[Meaning | None, str]:
    """Return what MANIFEST's bundle changes of OTHER's, or why that can not be told."""
    if other is None:
        return None, ""
    try:
        old = visit.service.registry.manifest(other.bundle)
        return graphs.between(visit.service.folder.resolve() / "blobs", old, manifest), ""
    except DeployError as error:
        return None, str(error)


PAGES = (
    Page("GET", "/tasks", "view", list_tasks),
    Page("GET", "/tasks/{task}", "view", show_task),
    Page("GET", "/versions/{sha256}", "view", show_version),
)
