"""Releases that gates lead: begun by a policy, paused and resumed by hand, and what the gates saw."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from starlette.responses import Response

from deploy.cloud.gates import MAX_LISTED
from deploy.cloud.http.call import Call, gives
from deploy.cloud.http.releases import MAX_BODY, RELEASE
from deploy.cloud.http.route import Route
from deploy.cloud.looks import Gate, Look
from deploy.cloud.rehearsed import Rehearsed
from deploy.cloud.staged import Wanted
from deploy.errors import ServiceError
from deploy.rollout import ReleaseId

MAX_MS: Final = 1 << 53
FAILED: Final = 422


class Led(Struct, frozen=True):
    """Gates, the last to begin first."""

    gates: list[Gate]


class Looks(Struct, frozen=True):
    """What a gate saw, the newest first."""

    looks: list[Look]


class Begun(Struct, frozen=True):
    """The version of the ruleset that is in force now, and what became of the rehearsal, if there was one."""

    ruleset: int
    rehearsed: Rehearsed | None = None


async def begin_gated(call: Call) -> Response:
    """Begin a release that gates lead from its first devices to all."""
    name, seen, service = call.word("release", ReleaseId), call.seen(), call.service
    wanted = await call.form(Wanted, MAX_BODY)
    rehearsed = await service.do(_rehearse, call, name, wanted) if wanted.recording else None
    fleet, now_ms = service.settings.fleet, service.clock()
    rules = await service.do(service.gates.begin, call.who, name, wanted, seen, fleet, now_ms, rehearsed)
    await service.changed()
    return gives(Begun(rules.version, rehearsed))


def _rehearse(call: Call, name: str, wanted: Wanted) -> Rehearsed:
    """Let the bundle run on what was recorded; raise ServiceError, which is audited, where it fails."""
    registry = call.service.registry
    manifest = registry.manifest(wanted.release.bundle)
    try:
        return call.service.rehearse(manifest, wanted.recording)
    except ServiceError as error:
        if error.status == FAILED:
            registry.note(call.who, "gate.refuse", name, bundle=manifest.id, why=str(error))
        raise


async def read_gate(call: Call) -> Response:
    """Give where a release stands, and what its gate saw last."""
    return gives(await call.service.do(call.service.gates.find, call.word("release", ReleaseId)))


async def read_gates(call: Call) -> Response:
    """Give the gates that there ever were."""
    return gives(Led(await call.service.do(call.service.gates.all)))


async def read_looks(call: Call) -> Response:
    """Give what a gate saw, for charts: each look that told something new."""
    name, before = call.word("release", ReleaseId), call.number("before", MAX_MS, MAX_MS)
    limit = call.number("limit", 100, MAX_LISTED)
    await call.service.do(call.service.gates.find, name)
    return gives(Looks(await call.service.do(call.service.gates.looks, name, before, limit)))


async def pause_release(call: Call) -> Response:
    """Let a release stay in its stage."""
    return await _set(call, resumes=False)


async def resume_release(call: Call) -> Response:
    """Let a release go on from the begin of its stage."""
    return await _set(call, resumes=True)


async def _set(call: Call, *, resumes: bool) -> Response:
    service, name = call.service, call.word("release", ReleaseId)
    deed = service.gates.resume if resumes else service.gates.pause
    gate = await service.do(deed, call.who, name, service.clock())
    await service.changed()
    return gives(gate)


ROUTES = (
    Route(
        "PUT",
        RELEASE + "/gate",
        "release",
        begin_gated,
        "Begin a release that gates lead.",
        Wanted,
        Begun,
        refuses=(404, 409, 412, 413, 422, 428, 503),
        headers=(("if-match", True),),
    ),
    Route(
        "GET",
        RELEASE + "/gate",
        "view",
        read_gate,
        "Read where a release stands.",
        gives=Gate,
        refuses=(404,),
    ),
    Route(
        "GET",
        RELEASE + "/looks",
        "view",
        read_looks,
        "Read what a gate saw.",
        gives=Looks,
        refuses=(404,),
        query=("before", "limit"),
    ),
    Route(
        "POST",
        RELEASE + "/pause",
        "release",
        pause_release,
        "Let a release stay in its stage.",
        gives=Gate,
        refuses=(404, 409),
    ),
    Route(
        "POST",
        RELEASE + "/resume",
        "release",
        resume_release,
        "Let a release go on.",
        gives=Gate,
        refuses=(404, 409),
    ),
    Route("GET", "/v1/gates", "view", read_gates, "Read where all releases stand.", gives=Led),
)
