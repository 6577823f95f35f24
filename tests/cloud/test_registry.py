"""What was published and released: histories are one, changes are never lost, everything is audited."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
import pytest

from deploy.cloud import rulesets, tokens
from deploy.cloud.database import Database
from deploy.cloud.registry import Registry
from deploy.cloud.roles import Who, hashed
from deploy.cohort import Cohort
from deploy.errors import RulesetError, ServiceError
from deploy.rollout import Release
from deploy.task.manifest import MODEL_FILES, Manifest
from deploy.task.version import Version
from inference.manifest import FileEntry

ANN, BOB = Who("a" * 16, "Ann", "releaser"), Who("b" * 16, "<b>Bob'; DROP TABLE audit", "releaser")
GRAPH = "a" * 64


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    """Give an empty registry."""
    database = Database(url)
    database.migrate()
    yield Registry(database)
    database.close()


def manifest(n: int, task: str = "rank") -> Manifest:
    """Return the manifest of a bundle that differs by N."""
    files = dict.fromkeys(sorted(MODEL_FILES), FileEntry(n, f"{n:064x}"))
    return Manifest(task, GRAPH, "b" * 64, files)


def release(n: int, millionths: int = 1_000, priority: int = 0) -> Release:
    """Return a release of the bundle N."""
    return Release("rank", manifest(n).id, GRAPH, Cohort(f"salt {n}", millionths), priority)


def put(registry: Registry, name: str, wanted: Release, who: Who = ANN, expected: int | None = None) -> int:
    """Release WANTED under NAME and return the version of the ruleset."""
    edit = partial(rulesets.released, name=name, release=wanted)
    return registry.change(who, "release.put", name, edit, expected).version


def version(n: int, parent: str | None = None) -> Version:
    """Return a version of the bundle N."""
    return Version("rank", manifest(n).id, GRAPH, "Ann", "<script>alert(1)</script>", n, parent)


def test_a_history_is_one_chain(registry: Registry) -> None:
    """A version follows the last one, whoever commits; one sent twice is there once."""
    for n in (1, 2, 3):
        assert registry.publish(ANN, manifest(n))
        assert not registry.publish(ANN, manifest(n))
    first = version(1)
    second = version(2, first.id)
    with pytest.raises(ServiceError, match="expected the parent none"):
        registry.commit(ANN, second)
    assert registry.commit(ANN, first)
    assert registry.commit(ANN, second)
    assert not registry.commit(ANN, first)  # sent twice
    with pytest.raises(ServiceError, match="expected the parent"):
        registry.commit(BOB, version(3, first.id))
    assert list(registry.history("rank")) == [second, first]
    assert (registry.head("rank"), registry.head("none")) == (second, None)
    assert registry.tasks() == ["rank"]


def test_a_version_is_of_a_published_bundle(registry: Registry) -> None:
    """A version of a bundle that is not there is refused."""
    with pytest.raises(ServiceError, match="expected it published") as refused:
        registry.commit(ANN, version(1))
    assert refused.value.status == 404


def test_a_release_grows_and_is_halted_for_good(registry: Registry) -> None:
    """A share only grows, a halted release stays so, an ended id is not given again."""
    registry.publish(ANN, manifest(1))
    assert put(registry, "one", release(1)) == 2
    assert put(registry, "one", release(1)) == 2  # asked twice, done once
    assert put(registry, "one", release(1, 2_000)) == 3
    with pytest.raises(RulesetError, match="a share of 2000"):
        put(registry, "one", release(1, 1))
    halt = partial(rulesets.halted, name="one")
    assert registry.change(BOB, "release.halt", "one", halt).releases["one"].halted
    with pytest.raises(RulesetError, match="halted release to stay so"):
        put(registry, "one", release(1, 3_000))
    registry.change(ANN, "release.end", "one", partial(rulesets.ended, name="one"))
    with pytest.raises(ServiceError, match="expected a new id"):
        put(registry, "one", release(1))


def test_a_release_is_of_a_published_bundle_and_its_graph(registry: Registry) -> None:
    """A release names a published bundle by its task and graph."""
    with pytest.raises(ServiceError, match="a published bundle"):
        put(registry, "one", release(1))
    registry.publish(ANN, manifest(1))
    with pytest.raises(ServiceError, match="of its task and graph"):
        put(registry, "one", msgspec.structs.replace(release(1), graph_id="f" * 64))
    assert registry.version() == 1


def test_a_rollback_is_a_new_version_with_the_old_content(registry: Registry) -> None:
    """A rollback counts up, brings ended releases back and leaves halted ones halted."""
    for n in (1, 2):
        registry.publish(ANN, manifest(n))
    put(registry, "one", release(1, 1_000_000))
    put(registry, "bad", release(2, 10, 1))
    grown = put(registry, "bad", release(2, 900_000, 1))
    assert registry.roll_back(ANN, grown - 1, grown).releases["bad"].cohort.millionths == 10
    at = registry.change(ANN, "release.halt", "bad", partial(rulesets.halted, name="bad")).version
    at = registry.change(ANN, "release.end", "bad", partial(rulesets.ended, name="bad")).version
    at = registry.change(ANN, "release.end", "one", partial(rulesets.ended, name="one")).version
    back = registry.roll_back(ANN, grown, at)
    assert back.version == at + 1
    assert not back.releases["one"].halted
    assert back.releases["bad"].halted  # also though it had ended meanwhile
    with pytest.raises(ServiceError, match="expected version") as refused:
        registry.roll_back(BOB, 1, at)
    assert refused.value.status == 412
    with pytest.raises(ServiceError, match="below"):
        registry.roll_back(BOB, back.version, back.version)


def test_the_kill_switch(registry: Registry) -> None:
    """A task is halted once and resumed."""
    kill, resume = (partial(each, task="rank") for each in (rulesets.task_halted, rulesets.task_resumed))
    assert registry.change(ANN, "task.halt", "rank", kill).halted_tasks == {"rank"}
    assert registry.change(ANN, "task.halt", "rank", kill).version == 2
    assert registry.change(ANN, "task.resume", "rank", resume).halted_tasks == frozenset()


def test_two_releasers_lose_no_change_of_each_other(registry: Registry) -> None:
    """Changes at once are all there; who decided by an older version is refused."""
    registry.publish(ANN, manifest(1))
    with ThreadPoolExecutor(4) as pool:
        names = [f"r{n}" for n in range(12)]
        list(pool.map(lambda name: put(registry, name, release(1)), names))
    assert set(registry.ruleset().releases) == set(names)
    assert registry.version() == 13
    with pytest.raises(ServiceError, match="expected version 12"):
        put(registry, "late", release(1), expected=12)


def test_everything_is_audited_whatever_a_name_holds(registry: Registry) -> None:
    """Each deed has its entry, SQL and HTML in a name are text."""
    registry.publish(BOB, manifest(1))
    put(registry, "one", release(1), BOB)
    last, first = registry.audited()
    assert (last.action, last.what, last.name) == ("release.put", "one", BOB.name)
    assert (first.action, first.what) == ("bundle.publish", manifest(1).id)
    assert registry.audited(before=last.id) == [first]


def test_a_token_is_kept_by_its_hash_and_revoked(url: str) -> None:
    """The secret is not in the database, and a revoked token is none."""
    database = Database(url)
    database.migrate()
    who, secret = tokens.add(database, "viewer", "dash'board", 1)
    assert tokens.valid(database) == {hashed(secret.encode()): who}
    tokens.revoke(database, who.id, 2)
    assert tokens.valid(database) == {}
    with pytest.raises(ServiceError, match="expected a valid one"):
        tokens.revoke(database, who.id, 3)
    with pytest.raises(ServiceError, match="expected a name"):
        tokens.add(database, "viewer", "two\nlines", 1)
    database.close()
