"""Bundles and histories: published whole, read by whoever may look."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from deploy import canonical, limits
from deploy.bundle.bundle import Bundle
from deploy.bundle.proof import fitting
from deploy.cloud.http.call import Call, gives
from deploy.cloud.http.route import Route
from deploy.errors import BundleError, OvertakenError, ServiceError
from deploy.task.manifest import Manifest, TaskName
from deploy.task.version import Version
from deploy.trust.lists import Listed
from deploy.trust.roles import TARGETS, max_bytes
from inference.contract import Sha256


class Published(Struct, frozen=True):
    """Whether something new came of it."""

    new: bool


class Histories(Struct, frozen=True):
    """The tasks by name."""

    tasks: list[str]


class Step(Struct, frozen=True):
    """A version with its id."""

    id: str
    version: Version


class History(Struct, frozen=True):
    """Versions, the newest first."""

    versions: list[Step]


async def publish_bundle(call: Call) -> Response:
    """Take a manifest, all of whose blobs are here."""
    sha256, content = call.word("sha256", Sha256), await call.body(limits.MAX_MANIFEST)
    manifest = Manifest.from_json(content)
    if manifest.id != sha256:
        raise ServiceError(
            f"bundle {sha256[:12]}: expected the manifest of that hash, found another; correct the path"
        )
    lacking = await call.service.do(_lacking, call, manifest)
    if lacking:
        raise ServiceError(
            f"bundle {sha256[:12]}: expected its blobs, found no {', '.join(lacking[:20])}; send them first",
            409,
        )
    await call.service.do(_demand_fit, Bundle(manifest, call.service.uploads))
    new = await call.service.do(call.service.registry.publish, call.who, manifest)
    call.service.is_behind = True
    return gives(Published(new))


def _demand_fit(bundle: Bundle) -> None:
    """Raise ServiceError (422) unless BUNDLE's graph is the one that its model was trained on."""
    try:
        fitting(bundle)
    except BundleError as error:
        raise ServiceError(f"bundle {bundle.id[:12]}: {error}", 422) from error


def _lacking(call: Call, manifest: Manifest) -> list[str]:
    return [sha256 for sha256, size in manifest.blobs.items() if call.service.uploads.size(sha256) != size]


async def read_bundle(call: Call) -> Response:
    """Give the manifest of a bundle."""
    manifest = await call.service.do(call.service.registry.manifest, call.word("sha256", Sha256))
    return Response(manifest.to_json(), media_type="application/json")


async def commit_version(call: Call) -> Response:
    """Take a version that follows the last one of its task."""
    sha256, content = call.word("sha256", Sha256), await call.body(limits.MAX_VERSION)
    version = Version.from_json(content, "commit it again")
    if version.id != sha256:
        raise ServiceError(
            f"version {sha256[:12]}: expected the one of that hash, found another; correct the path"
        )
    return gives(Published(await call.service.do(call.service.registry.commit, call.who, version)))


async def list_tasks(call: Call) -> Response:
    """Give the names of the tasks."""
    return gives(Histories(await call.service.do(call.service.registry.tasks)))


async def read_history(call: Call) -> Response:
    """Give the last versions of a task."""
    task, limit = call.word("task", TaskName), call.number("limit", 100, 1_000)
    versions = await call.service.do(lambda: list(call.service.registry.history(task, limit)))
    return gives(History([Step(version.id, version) for version in versions]))


async def read_list(call: Call) -> Response:
    """Give the list of the bundles that the publishers of a task vouch for."""
    return gives(await call.service.do(call.service.signer.listed, call.word("task", TaskName)))


async def take_list(call: Call) -> Response:
    """Take the next list of a task, signed by its publishers."""
    task, content = call.word("task", TaskName), await call.body(max_bytes(TARGETS))
    registry, signer = call.service.registry, call.service.signer
    try:
        new = await call.service.do(signer.take, task, content, registry.find_manifest)
    except OvertakenError as error:
        raise ServiceError(str(error), 409) from error
    if new:
        await call.service.do(registry.note, call.who, "list.take", task, sha256=canonical.digest(content))
    return gives(Published(new))


ROUTES = (
    Route(
        "PUT",
        "/v1/bundles/{sha256}",
        "publish",
        publish_bundle,
        "Publish a bundle.",
        Manifest,
        Published,
        refuses=(404, 409, 413, 422),
    ),
    Route(
        "GET", "/v1/bundles/{sha256}", "view", read_bundle, "Read a manifest.", gives=Manifest, refuses=(404,)
    ),
    Route(
        "PUT",
        "/v1/versions/{sha256}",
        "publish",
        commit_version,
        "Commit a version.",
        Version,
        Published,
        refuses=(404, 409, 413),
    ),
    Route("GET", "/v1/tasks", "view", list_tasks, "List the tasks.", gives=Histories),
    Route(
        "GET",
        "/v1/tasks/{task}/versions",
        "view",
        read_history,
        "Read a history.",
        gives=History,
        refuses=(404,),
        query=("limit",),
    ),
    Route(
        "GET",
        "/v1/tasks/{task}/list",
        "view",
        read_list,
        "Read the signed list of a task.",
        gives=Listed,
        refuses=(409,),
    ),
    Route(
        "PUT",
        "/v1/tasks/{task}/list",
        "publish",
        take_list,
        "Take the next signed list of a task.",
        takes=bytes,
        gives=Published,
        refuses=(409, 503),
    ),
)
