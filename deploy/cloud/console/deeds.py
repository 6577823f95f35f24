"""What may be done: each first asked for on a page that says what follows, then done by its form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from starlette.responses import Response

from deploy.cloud import rulesets
from deploy.cloud.console import rows
from deploy.cloud.console.page import Page
from deploy.cloud.console.views import edits
from deploy.cloud.console.visit import Visit
from deploy.cloud.roles import Who
from deploy.cloud.rulesets import Edit
from deploy.errors import ServiceError
from deploy.rollout import ReleaseId
from deploy.task.manifest import TaskName


class Question(NamedTuple):
    """What somebody is asked before it is done."""

    title: str
    follows: list[str]  # what it leads to, a sentence each
    verb: str  # on the button
    tone: str
    back: str  # the path below the console to go to, done or not
    seen: int  # the ruleset that was looked at


async def ask_halt(visit: Visit) -> Response:
    """Ask whether a release is to be halted."""
    name = visit.call.word("release", ReleaseId)
    rules = await visit.service.do(visit.service.registry.ruleset)
    halted = rulesets.halted(rules, name)  # refuses a name that is not in force
    follows = [
        "Its devices go back to what they would run without it, at their next check.",
        "Other releases and devices stay as they are.",
        "A halted release does not begin again: release its bundle under a new name.",
    ]
    if halted is rules:
        follows = ["It is halted already."]
    return _ask(
        visit,
        Question(f"Halt {name}?", follows, "Halt the release", "bad", f"/releases/{name}", rules.version),
    )


async def halt(visit: Visit) -> Response:
    """Halt a release, whatever else changed."""
    name = visit.call.word("release", ReleaseId)
    await _change(visit, "release.halt", name, partial(rulesets.halted, name=name))
    return visit.go(f"/releases/{name}")


async def ask_pause(visit: Visit) -> Response:
    """Ask whether a release is to stay in its stage."""
    name = visit.call.word("release", ReleaseId)
    follows = ["It stays on the devices that it has.", "Its tests go on, and may stop it."]
    return _ask(
        visit, Question(f"Pause {name}?", follows, "Pause the release", "plain", f"/releases/{name}", 0)
    )


async def pause(visit: Visit) -> Response:
    """Let a release stay in its stage."""
    return await _led(visit, visit.service.gates.pause)


async def ask_resume(visit: Visit) -> Response:
    """Ask whether a release is to go on."""
    name = visit.call.word("release", ReleaseId)
    follows = ["Its stage begins anew.", "The tests that fired pause it no more; those that stop still do."]
    return _ask(
        visit, Question(f"Let {name} go on?", follows, "Let it go on", "good", f"/releases/{name}", 0)
    )


async def resume(visit: Visit) -> Response:
    """Let a release go on from the begin of its stage."""
    return await _led(visit, visit.service.gates.resume)


async def ask_halt_task(visit: Visit) -> Response:
    """Ask whether a task is to run nowhere."""
    task = visit.call.word("task", TaskName)
    rules = await visit.service.do(visit.service.registry.ruleset)
    follows = [
        "Every device stops it at its next check, whatever release it runs.",
        "Its releases keep their shares, and run again when the task is resumed.",
    ]
    return _ask(
        visit,
        Question(
            f"Halt the task {task} everywhere?",
            follows,
            "Halt the task",
            "bad",
            f"/tasks/{task}",
            rules.version,
        ),
    )


async def halt_task(visit: Visit) -> Response:
    """Let a task run nowhere, whatever else changed."""
    task = visit.call.word("task", TaskName)
    await _change(visit, "task.halt", task, partial(rulesets.task_halted, task=task))
    return visit.go(f"/tasks/{task}")


async def ask_resume_task(visit: Visit) -> Response:
    """Ask whether a task is to run again."""
    task = visit.call.word("task", TaskName)
    rules = await visit.service.do(visit.service.registry.ruleset)
    names = [name for name, each in sorted(rules.releases.items()) if each.task == task and not each.halted]
    follows = [f"Devices run it again by its releases: {', '.join(names) or 'none is in force'}."]
    return _ask(
        visit,
        Question(
            f"Resume the task {task}?", follows, "Resume the task", "good", f"/tasks/{task}", rules.version
        ),
    )


async def resume_task(visit: Visit) -> Response:
    """Let a task run again where its releases say so."""
    task = visit.call.word("task", TaskName)
    await _change(visit, "task.resume", task, partial(rulesets.task_resumed, task=task), _seen(visit))
    return visit.go(f"/tasks/{task}")


async def ask_roll_back(visit: Visit) -> Response:
    """Ask whether an old ruleset is to be in force again."""
    registry, to = visit.service.registry, visit.call.word("version", int)
    rules, old = await visit.service.do(registry.ruleset), await visit.service.do(registry.ruleset, to)
    stopped = {
        each.id for each in await visit.service.do(rows.releases, visit.service.database) if each.halted_ms
    }
    new = rulesets.rolled_back(rules, old, stopped)
    follows = (
        [f"{line.rstrip('.')}." for line in edits.told(rules, new)]
        if new is not rules
        else ["Nothing changes."]
    )
    title = f"Go back to the rules of version {to}?"
    return _ask(
        visit,
        Question(title, follows, f"Make them version {rules.version + 1}", "bad", "/rules", rules.version),
    )


async def roll_back(visit: Visit) -> Response:
    """Let an old ruleset be in force again, as a new version."""
    to = visit.call.word("version", int)
    await visit.service.do(visit.service.registry.roll_back, visit.who, to, _seen(visit))
    await visit.service.changed()
    return visit.go("/rules")


def _ask(visit: Visit, question: Question) -> Response:
    return visit.page("ask_part.html" if visit.is_part else "ask.html", {"ask": question})


async def _change(visit: Visit, action: str, what: str, edit: Edit, seen: int | None = None) -> None:
    await visit.service.do(visit.service.registry.change, visit.who, action, what, edit, seen)
    await visit.service.changed()


async def _led(visit: Visit, deed: Callable[[Who, str, int], object]) -> Response:
    name = visit.call.word("release", ReleaseId)
    await visit.service.do(deed, visit.who, name, visit.now_ms)
    await visit.service.changed()
    return visit.go(f"/releases/{name}")


def _seen(visit: Visit) -> int:
    """Return the ruleset that the form was made by."""
    text = visit.form.get("seen", "")
    if not (text.isascii() and text.isdigit() and len(text) < 17):
        raise ServiceError("form: expected the ruleset that you saw, found none; load the page again", 428)
    return int(text)


PAGES = (
    Page("GET", "/releases/{release}/halt", "release", ask_halt),
    Page("POST", "/releases/{release}/halt", "release", halt),
    Page("GET", "/releases/{release}/pause", "release", ask_pause),
    Page("POST", "/releases/{release}/pause", "release", pause),
    Page("GET", "/releases/{release}/resume", "release", ask_resume),
    Page("POST", "/releases/{release}/resume", "release", resume),
    Page("GET", "/tasks/{task}/halt", "release", ask_halt_task),
    Page("POST", "/tasks/{task}/halt", "release", halt_task),
    Page("GET", "/tasks/{task}/resume", "release", ask_resume_task),
    Page("POST", "/tasks/{task}/resume", "release", resume_task),
    Page("GET", "/rules/{version}/back", "release", ask_roll_back),
    Page("POST", "/rules/{version}/back", "release", roll_back),
)
