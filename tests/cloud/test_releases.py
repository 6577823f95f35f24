"""Publishing and releasing over HTTP: who may, what is refused, and what stands in the audit log."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from deploy import canonical
from deploy.cohort import Cohort
from deploy.rollout import Release
from deploy.task.version import Version
from tests.cloud.conftest import bundle

GRAPH = bundle(1)[0].graph_id
EVIL = "'; DROP TABLE release; -- <script>alert(1)</script>"


def of(bundle: str, millionths: int = 1_000) -> Release:
    """Return a release of BUNDLE."""
    return Release("rank", bundle, GRAPH, Cohort("salt", millionths))


def test_the_way_of_a_release(sent: Any) -> None:
    """Published, committed, released, grown, rolled back, killed, resumed, ended: each by who may."""
    manifest = sent.publish(1)
    version = Version("rank", manifest.id, GRAPH, EVIL, EVIL, 1)
    committed = sent("PUT", f"/v1/versions/{version.id}", "publisher", content=version.to_json())
    assert committed.json() == {"new": True}
    history = sent("GET", "/v1/tasks/rank/versions", "viewer").json()["versions"]
    assert [each["id"] for each in history] == [version.id]
    assert history[0]["version"]["message"] == EVIL
    assert sent.put("one", of(manifest.id), 1).json() == {"ruleset": 2}
    assert sent.put("one", of(manifest.id, 9_000), 2).json() == {"ruleset": 3}
    back = {"headers": {"if-match": "3"}, "content": b'{"to":2}'}
    assert sent("POST", "/v1/ruleset/rollback", "releaser", **back).json() == {"ruleset": 4}
    rules = sent("GET", "/v1/ruleset", "viewer")
    assert (rules.headers["etag"], rules.json()["releases"]["one"]["cohort"]["millionths"]) == ('"4"', 1_000)
    assert sent("POST", "/v1/tasks/rank/halt", "releaser").json() == {"ruleset": 5}
    assert sent.check().json()["assignment"]["manifest"]["halted"] == ["rank"]
    seen = {"headers": {"if-match": '"5"'}}
    assert sent("POST", "/v1/tasks/rank/resume", "releaser", **seen).json() == {"ruleset": 6}
    seen = {"headers": {"if-match": '"6"'}}
    assert sent("DELETE", "/v1/releases/one", "releaser", **seen).json() == {"ruleset": 7}
    assert sent("GET", "/v1/rulesets/3", "viewer").json()["releases"]["one"]["cohort"]["millionths"] == 9_000
    deeds = [entry["action"] for entry in sent("GET", "/v1/audit", "viewer").json()["entries"]]
    assert deeds[:7] == [
        *("release.end", "task.resume", "task.halt", "ruleset.rollback", "release.put", "release.put"),
        "version.commit",
    ]


def test_who_decided_by_an_older_ruleset_is_refused(sent: Any) -> None:
    """Of two releasers the second learns of the first (412); without a version nobody decides (428)."""
    manifest = sent.publish(1)
    assert sent.put("one", of(manifest.id), 1).status_code == 200
    assert sent.put("two", of(manifest.id), 1).status_code == 412
    body = canonical.encode(of(manifest.id))
    assert sent("PUT", "/v1/releases/two", "releaser", content=body).status_code == 428
    assert set(sent("GET", "/v1/ruleset", "viewer").json()["releases"]) == {"one"}


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("viewer", "POST", "/v1/tasks/rank/halt", 403),
        ("publisher", "POST", "/v1/tasks/rank/halt", 403),
        ("device", "POST", "/v1/tasks/rank/halt", 403),
        ("releaser", "PUT", f"/v1/bundles/{'a' * 64}", 403),
        ("device", "GET", "/v1/audit", 403),
        ("viewer", "POST", "/v1/reports", 403),
        (None, "GET", "/v1/audit", 401),
        (None, "GET", "/metrics", 401),
        ("releaser", "POST", "/v1/releases/none/halt", 404),
        ("releaser", "POST", f"/v1/releases/{EVIL.replace('/', '')}/halt", 404),
        ("releaser", "POST", f"/v1/tasks/{'x' * 300}/halt", 404),
        ("viewer", "GET", "/v1/tasks/none/versions?limit=-1", 400),
        ("viewer", "GET", "/v1/audit?before=1%27%20OR%201=1", 400),
        ("viewer", "GET", "/v1/rulesets/99", 404),
        ("viewer", "GET", "/nowhere", 404),
        ("viewer", "POST", "/v1/audit", 405),
        ("publisher", "PUT", f"/v1/bundles/{'a' * 64}", 400),
    ],
)
def test_what_is_refused(lasting: Any, role: str | None, method: str, path: str, status: int) -> None:
    """Each refusal has its status and one line of JSON."""
    answered = lasting(method, path, role)
    assert answered.status_code == status, answered.text
    assert "\n" not in answered.json()["error"]
    assert answered.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 1_000, b"\xff", b'{"task":"rank"}', b'{"more":1}', b"null", b"1e999"]
)
def test_broken_bodies_are_refused(lasting: Any, body: bytes) -> None:
    """Broken JSON and JSON of another form are 400, and nothing changes."""
    for path in ("/v1/releases/one", "/v1/ruleset/rollback"):
        method = "PUT" if path.endswith("one") else "POST"
        answered = lasting(method, path, "releaser", headers={"if-match": "1"}, content=body)
        assert answered.status_code == 400, answered.text
        assert "\n" not in answered.json()["error"]
    assert lasting("GET", "/v1/ruleset", "viewer").json()["version"] == 1


def test_a_bundle_is_published_with_all_its_blobs(sent: Any) -> None:
    """A bundle whose blobs are not here is refused by their hashes, as is one under another's hash."""
    manifest = msgspec.structs.replace(sent.publish(1), description=EVIL)
    answered = sent("PUT", f"/v1/bundles/{'c' * 64}", "publisher", content=manifest.to_json())
    assert "the manifest of that hash" in answered.json()["error"]
    assert sent("PUT", f"/v1/bundles/{manifest.id}", "publisher", content=manifest.to_json()).json() == {
        "new": True
    }
    assert sent("GET", f"/v1/bundles/{manifest.id}", "viewer").content == manifest.to_json()
    gone = msgspec.structs.replace(manifest.files["model/graph.json"], sha256="d" * 64)
    files = {**manifest.files, "model/graph.json": gone}
    lacking = msgspec.structs.replace(manifest, files=files)
    answered = sent("PUT", f"/v1/bundles/{lacking.id}", "publisher", content=lacking.to_json())
    assert (answered.status_code, "d" * 64 in answered.json()["error"]) == (409, True)


def test_a_bundle_whose_model_was_trained_on_another_graph_is_refused(sent: Any) -> None:
    """Neither its model's word nor its own may differ from the graph that it carries: 422, and no release."""
    for manifest, contents in (bundle(1, trained="f" * 64), bundle(1, graph="f" * 64)):
        for content in contents:
            sent.send(content, canonical.digest(content))
        answered = sent("PUT", f"/v1/bundles/{manifest.id}", "publisher", content=manifest.to_json())
        assert (answered.status_code, "package the model with its graph" in answered.json()["error"]) == (
            422,
            True,
        )
        assert sent.put("one", of(manifest.id), 1).status_code == 409


def test_a_body_without_end_is_cut(lasting: Any) -> None:
    """A body in chunks is read up to its bound and no further."""
    given = []

    async def chunks() -> Any:
        for _ in range(1_000):
            given.append(1)
            yield b" " * 65_536

    answered = lasting("PUT", f"/v1/versions/{'a' * 64}", "publisher", content=chunks())
    assert answered.status_code == 413
    assert len(given) == 2  # one is as much as a version may have


def test_too_many_calls_of_one_token_are_told_to_wait(serve: Any) -> None:
    """After its burst a token is refused, with a time after which to ask; another token is not."""
    with serve(calls_per_s=0.001) as service:
        first, second = (service("GET", "/v1/tasks", "viewer") for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 429)
        assert int(second.headers["retry-after"]) > 900
        assert service("GET", "/v1/tasks", "releaser").status_code == 200


def test_health_metrics_and_the_document(sent: Any) -> None:
    """A service tells that it lives, is ready, what it counted and what it can be asked."""
    assert sent("GET", "/healthz").json() == sent("GET", "/readyz").json() == {"ruleset": 1}
    sent.check()
    numbers = sent("GET", "/metrics", "viewer").text
    assert 'headrace_checks_total{status="200"} 1.0' in numbers
    assert 'headrace_calls_total{route="is_ready",status="200"} 1.0' in numbers
    document = sent("GET", "/v1/openapi.json").json()
    assert document["paths"]["/v1/releases/{release}"]["put"]["security"] == [{"token": []}]
    assert "\\Z" not in sent("GET", "/v1/openapi.json").text
