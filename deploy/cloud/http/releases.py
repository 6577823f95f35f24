"""The rules in force: releases begun, grown, halted and ended; tasks killed; rollbacks."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.responses import Response

from deploy.cloud import rulesets
from deploy.cloud.http.call import Call, gives
from deploy.cloud.http.route import Route
from deploy.cloud.rulesets import Edit
from deploy.rollout import Release, ReleaseId, Ruleset
from deploy.task.manifest import TaskName

MAX_BODY: Final = 8 << 20  # bytes: two full lists of devices
RELEASE = "/v1/releases/{release}"


class Changed(Struct, frozen=True):
    """The version of the ruleset that is in force now."""

    ruleset: int


class Back(Struct, frozen=True, forbid_unknown_fields=True):
    """To which version of the ruleset."""

    to: Annotated[int, Meta(ge=1, le=1 << 53)]


async def read_rules(call: Call) -> Response:
    """Give the ruleset in force."""
    return _given(await call.service.do(call.service.registry.ruleset))


async def read_old_rules(call: Call) -> Response:
    """Give the ruleset of a version."""
    version = call.word("version", int)
    return _given(await call.service.do(call.service.registry.ruleset, version))


async def put_release(call: Call) -> Response:
    """Begin a release, or let it grow."""
    name, seen = call.word("release", ReleaseId), call.seen()
    release = await call.form(Release, MAX_BODY)
    return await _change(
        call, "release.put", name, partial(rulesets.released, name=name, release=release), seen
    )


async def halt_release(call: Call) -> Response:
    """Halt a release, whatever else changed."""
    name = call.word("release", ReleaseId)
    return await _change(call, "release.halt", name, partial(rulesets.halted, name=name))


async def end_release(call: Call) -> Response:
    """End a release."""
    name = call.word("release", ReleaseId)
    return await _change(call, "release.end", name, partial(rulesets.ended, name=name), call.seen())


async def halt_task(call: Call) -> Response:
    """Let a task run nowhere, whatever else changed."""
    task = call.word("task", TaskName)
    return await _change(call, "task.halt", task, partial(rulesets.task_halted, task=task))


async def resume_task(call: Call) -> Response:
    """Let a task run again where its releases say so."""
    task = call.word("task", TaskName)
    return await _change(call, "task.resume", task, partial(rulesets.task_resumed, task=task), call.seen())


async def roll_back(call: Call) -> Response:
    """Let an old ruleset be in force again, as a new version."""
    seen, back = call.seen(), await call.form(Back, 1_024)
    rules = await call.service.do(call.service.registry.roll_back, call.who, back.to, seen)
    await call.service.changed()
    return gives(Changed(rules.version))


async def _change(call: Call, action: str, what: str, edit: Edit, seen: int | None = None) -> Response:
    rules = await call.service.do(call.service.registry.change, call.who, action, what, edit, seen)
    await call.service.changed()
    return gives(Changed(rules.version))


def _given(rules: Ruleset) -> Response:
    return Response(rules.to_json(), 200, {"etag": f'"{rules.version}"'}, "application/json")


_SEEN = (("if-match", True),)

ROUTES = (
    Route("GET", "/v1/ruleset", "view", read_rules, "Read the ruleset in force.", gives=Ruleset),
    Route(
        "GET",
        "/v1/rulesets/{version}",
        "view",
        read_old_rules,
        "Read a ruleset.",
        gives=Ruleset,
        refuses=(404,),
    ),
    Route(
        "PUT",
        RELEASE,
        "release",
        put_release,
        "Begin a release, or let it grow.",
        Release,
        Changed,
        refuses=(404, 409, 412, 413, 428),
        headers=_SEEN,
    ),
    Route(
        "POST", RELEASE + "/halt", "release", halt_release, "Halt a release.", gives=Changed, refuses=(404,)
    ),
    Route(
        "DELETE",
        RELEASE,
        "release",
        end_release,
        "End a release.",
        gives=Changed,
        refuses=(404, 412, 428),
        headers=_SEEN,
    ),
    Route(
        "POST", "/v1/tasks/{task}/halt", "release", halt_task, "Halt a task.", gives=Changed, refuses=(404,)
    ),
    Route(
        "POST",
        "/v1/tasks/{task}/resume",
        "release",
        resume_task,
        "Resume a task.",
        gives=Changed,
        refuses=(404, 412, 428),
        headers=_SEEN,
    ),
    Route(
        "POST",
        "/v1/ruleset/rollback",
        "release",
        roll_back,
        "Roll back to an old ruleset.",
        Back,
        Changed,
        refuses=(404, 409, 412, 413, 428),
        headers=_SEEN,
    ),
)
