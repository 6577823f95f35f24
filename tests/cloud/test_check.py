"""The check: what the ruleset says of a device, signed once, and nothing for who may not ask."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.cloud.answers import Answers
from deploy.cloud.rates import Rate, Rates
from deploy.cohort import Cohort, Condition
from deploy.rollout import Release, Ruleset, choose
from deploy.task.manifest import Manifest
from deploy.trust.assignments import verify
from deploy.wire.assignment import AssignmentManifest, SignedAssignment
from deploy.wire.check import Answer
from tests.cloud.conftest import bundle

GRAPH = bundle(1)[0].graph_id


def of(manifest: Manifest, millionths: int = 1_000_000, *where: Condition, priority: int = 0) -> Release:
    """Return a release of MANIFEST's bundle."""
    return Release("rank", manifest.id, GRAPH, Cohort("salt", millionths, where), priority)


def test_a_check_is_answered_by_the_ruleset_and_verifies(sent: Any) -> None:
    """A device believes the answer; a halt is in the next one, and 304 says that nothing changed."""
    manifest = sent.publish(1)
    ios = Condition("os", "in", ("ios",))
    assert sent.put("one", of(manifest, 1_000_000, ios), 1).json() == {"ruleset": 2}
    answered = sent.check(profile='{"os":"ios"}')
    answer = Answer.from_json(answered.content)
    told = verify(answer.assignment, sent.trusted, device="ann", now_ms=0)
    assert told.tasks["rank"].bundle == manifest.id
    assert answer.poll_s == 900
    android = sent.check(profile='{"os":"android"}').json()
    assert android["assignment"]["manifest"]["tasks"] == {}
    again = sent.check(profile='{"os":"ios"}', **{"if-none-match": answered.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answered.headers["etag"])
    assert sent("POST", "/v1/releases/one/halt", "releaser").json() == {"ruleset": 3}
    after = sent.check(profile='{"os":"ios"}', **{"if-none-match": answered.headers["etag"]})
    assert (after.status_code, after.json()["assignment"]["manifest"]["tasks"]) == (200, {})


def test_a_device_gets_no_graph_that_it_can_not_run(sent: Any) -> None:
    """Who can not install graphs is offered only releases of those that it has."""
    sent.put("one", of(sent.publish(1)), 1)

    def tasks(graphs: str) -> Any:
        return sent.check(**{"x-headrace-graphs": graphs}).json()["assignment"]["manifest"]["tasks"]

    assert set(tasks(f"{'f' * 64},{GRAPH}")) == {"rank"}
    assert tasks("f" * 64) == tasks("") == {}


@pytest.mark.parametrize("role", [None, "viewer", "publisher", "releaser"])
def test_only_a_device_is_answered(lasting: Any, role: str | None) -> None:
    """Without a device's token a check is refused, and says how to come by one."""
    answered = lasting("GET", "/v1/check", role, headers={"x-headrace-device": "ann"})
    assert (answered.status_code, answered.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("device", "profile", "status"),
    [
        ("", "{}", 400),
        ("x" * 257, "{}", 400),
        ("\xff", "{}", 400),
        ("ann", "{", 400),
        ("ann", "[]", 400),
        ("ann", '{"os":null}', 400),
        ("ann", '{"os":1.5}', 400),
        ("ann", '{"a' + "a" * 64 + '":1}', 400),
        ("ann", "[" * 4_000, 400),
        ("ann", '{"os":"' + "x" * 4_100 + '"}', 431),
        ("'; DROP TABLE token", '{"os":"<script>"}', 200),
    ],
)
def test_bad_headers_are_refused_in_one_line(lasting: Any, device: str, profile: str, status: int) -> None:
    """Whatever a header holds, the answer is one line, and the service answers the next one."""
    headers = {"x-headrace-device": device.encode("latin-1"), "x-headrace-profile": profile}
    answered = lasting("GET", "/v1/check", "device", headers=headers)
    assert answered.status_code == status
    if status != 200:
        assert "\n" not in answered.json()["error"]
    assert lasting.check().status_code == 200


def test_an_answer_is_signed_once_and_equal_on_every_replica() -> None:
    """A thousand devices with two combinations cost two signatures; equal inputs give equal bytes."""
    rules = Ruleset(2, {"one": Release("rank", "b" * 64, GRAPH, Cohort("salt", 500_000))})
    signed = []

    def sign(manifest: AssignmentManifest) -> SignedAssignment:
        signed.append(manifest)
        return SignedAssignment(manifest, {"c" * 64: "d" * 128})

    first, second = (Answers(rules, sign, 900, 86_400, now) for now in (1_000, 20_000_000))
    for n in range(1_000):
        body = first.answer(f"device {n}").body
        tasks = json.loads(body)["assignment"]["manifest"]["tasks"]
        assert {task: each["release"] for task, each in tasks.items()} == choose(
            rules, f"device {n}", {}
        ).releases
        assert second.answer(f"device {n}") == first.answer(f"device {n}")
    assert len(signed) == 4
    assert {m.until_ms for m in signed} == {86_400_000}
    later = Answers(rules, sign, 900, 86_400, first.next_ms)
    assert later.answer("device 1").etag != first.answer("device 1").etag


def test_a_bucket_fills_steadily() -> None:
    """A burst is let through, then as many as the rate; the wait that is told is enough."""
    now = [0.0]
    rate = Rate(2, 4, lambda: now[0])
    assert [rate.take() for _ in range(5)] == [0, 0, 0, 0, 0.5]
    now[0] += 0.5
    assert [rate.take(), rate.take()] == [0, 0.5]
    rates = Rates(1, 1, lambda: now[0])
    assert [rates.take(key) for key in ("a", "b", "a")] == [0, 0, 1]
    assert not any(Rate(0, 1).take() for _ in range(100))
