"""`headrace demo --fleet` in small: real tills and a real service, a good version and a worse one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import inference
from deploy.bucket import MILLION
from deploy.bundle.bundle import Bundle
from deploy.cloud.client import body_of
from deploy.cohort import Cohort
from deploy.rollout import Release
from deploy.simulate.ground import Ground, ground
from deploy.simulate.loopback import Ways, run
from headrace.retail.catalogue import catalogue
from headrace.retail.fleet import versions
from headrace.retail.fleet.story import FIRST, SETTINGS, WORSE, policy
from headrace.retail.fleet.till import START, Till, shared
from headrace.retail.fleet.versions import TASK
from headrace.retail.slice import load

OF = 100  # tills, of which two are played


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Ground]:
    """Give a service for the shop."""
    with ground(tmp_path / "service", TASK, SETTINGS) as found:
        yield found


@pytest.fixture
def tills(tmp_path: Path, place: Ground) -> Iterator[list[Till]]:
    """Give two tills that ask it."""
    log = load()
    offered = catalogue(log, START)
    graph = inference.load(Path(versions.__file__).parents[1] / "package").graph
    with ExitStack() as stack:
        found = []
        for n in range(2):
            till = Till(tmp_path / f"till-{n}", n, shared(log, n, OF), offered, graph)
            stack.callback(till.close)
            till.open(place.place)
            found.append(till)
        yield found


def release(place: Ground, name: str, bundle: Bundle, cohort: Cohort, priority: int = 0) -> None:
    """Release BUNDLE under NAME."""
    far = place.remote("releaser")
    wanted = Release(TASK, bundle.id, bundle.manifest.graph_id, cohort, priority)
    far.ask("PUT", f"/v1/releases/{name}", body_of(wanted), far.ruleset().version)


def until(holds: Callable[[], bool]) -> None:
    """Wait until HOLDS, a minute at most."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_worse_version_comes_and_goes_and_the_engines_state_stays(
    tmp_path: Path, place: Ground, tills: list[Till]
) -> None:
    """Published, released, halted: values before and after are equal bit for bit, and new engines' too."""
    first, worse = versions.first(tmp_path / "first"), versions.worse(tmp_path / "worse")
    assert first.manifest.graph_id != worse.manifest.graph_id
    place.publish(first)
    release(place, FIRST, first, Cohort(FIRST, MILLION))
    until(lambda: all(till.release == FIRST for till in tills))
    for till in tills:
        for _ in range(8):
            till.play()
        till.remember()
    place.publish(worse)
    release(place, WORSE, worse, Cohort(WORSE, 0, allow=frozenset({"till-0"})), 1)
    until(lambda: tills[0].release == WORSE)
    for till in tills:
        for _ in range(8):
            till.play()
    place.remote("releaser").ask("POST", f"/v1/releases/{WORSE}/halt")
    until(lambda: tills[0].release == FIRST)
    assert tills[0].tallies[WORSE].clicked < tills[0].tallies[FIRST].clicked
    assert WORSE not in tills[1].tallies
    for till in tills:
        for equal, of in till.compare():
            assert equal == of > 1_000


def test_the_gates_of_the_story_stop_what_nobody_clicks() -> None:
    """Ten tills without a click beside twenty with one are enough, and equal ones are not."""
    from deploy.gate.sequential import against

    need = policy(50).need("stop")
    assert against(10, 10, 20, 0) > need
    assert against(10, 3, 20, 2) < need


def test_real_agents_are_measured(tmp_path: Path) -> None:
    """Two in a process: both releases reach them, the second one as differences; checks are counted."""
    first, second = versions.first(tmp_path / "first"), versions.worse(tmp_path / "second")
    said: list[str] = []
    ways = Ways(devices=2, poll_s=1, idle_s=0.2, steady_s=1.5, sqlite=True)
    found = run(first, second, ways, said.append)
    assert found.database == "SQLite"
    assert 0 < found.t50_s <= found.t99_s == found.all_s
    assert [share for _, share in found.curve] == [0.5, 1.0]
    assert found.first_bytes_per_device > found.full_bytes > 20 * found.origin_bytes_per_device
    assert found.steady_checks_per_s > 0
    assert any("run the first bundle" in line for line in said)
