"""A device learns what its publishers vouch for, and believes nothing else."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.errors import TrustError
from deploy.trust.client import TrustedTargets
from tests.trust.world import DAY_MS, KEYS, ONLINE, World, held, manifest


def test_a_device_believes_what_is_published(world: World) -> None:
    """The manifest by its id, the keys of assignments, and what is published later."""
    one = world.publish("one")
    device = world.device()
    assert device.manifest("rank", one) == manifest(words="one")
    assert set(device.assignment_keys().keys) == {KEYS["assign"].id}
    two = world.publish("two")
    with pytest.raises(TrustError, match="expected a target that somebody signed for, found none"):
        device.manifest("rank", two)  # it looks at the state that it knows
    device.refresh()
    assert device.manifest("rank", two).id == two
    assert world.device().manifest("rank", one).id == one


def test_nothing_new_costs_two_requests(world: World) -> None:
    """Is there a newer root, and is the timestamp still that one."""
    world.publish()
    world.device().refresh()
    world.server.asked.clear()
    world.device().refresh()
    assert [path.rsplit("/", 1)[1] for path in world.server.asked] == ["2.root.json", "timestamp.json"]


def test_what_is_withdrawn_is_not_believed(world: World) -> None:
    """A new state without the bundle ends it."""
    one = world.publish()
    world.repository.withdraw("rank", one, held("rank", *ONLINE))
    with pytest.raises(TrustError, match="found none"):
        world.device().manifest("rank", one)


def test_a_device_follows_a_chain_of_roots(world: World) -> None:
    """One that slept while every key was exchanged, one after the other, comes to the newest root."""
    world.device().refresh()
    root = world.repository.rotate
    root("root", held("root", "root2", "root3"), remove=[KEYS["root"].id])
    root("root", held("root2", "root3", "thief"), add=[KEYS["thief"].public], remove=[KEYS["root2"].id])
    for role, new in (("targets", "rank2"), ("snapshot", "root"), ("timestamp", "root2")):
        world.repository.rotate(
            role,
            held("root3", "thief", "targets", "rank2", "root", "root2", *ONLINE),
            add=[KEYS[new].public],
            remove=[KEYS[role].id],
        )
    one = world.publish("one", "rank", "root", "root2")
    device = world.device()
    assert device.manifest("rank", one).id == one
    roots = [path.rsplit("/", 1)[1] for path in world.server.asked if path.endswith("root.json")]
    assert roots == ["2.root.json", *(f"{n}.root.json" for n in range(2, 8))]  # each once, in its order


def test_a_device_that_slept_for_weeks_comes_back(world: World) -> None:
    """Its own metadata ended; the repository's did not."""
    world.device().refresh()
    now = world.clock.ms
    world.clock.ms = now - 60 * DAY_MS
    world.publish("one")
    with pytest.raises(TrustError, match="expired; the signer stands still, or this clock is wrong"):
        world.device().refresh()
    world.clock.ms = now
    world.repository.refresh(held(*ONLINE))
    two = world.publish("two")
    assert world.device().manifest("rank", two).id == two


def test_without_a_network_it_says_so(world: World) -> None:
    """One line, and what was believed stays."""
    world.publish()
    world.device().refresh()
    before = kept(world.folder / "ann")
    device = TrustedTargets(world.folder / "ann", f"http://127.0.0.1:{free_port()}/", "http://127.0.0.1:1/")
    with pytest.raises(
        TrustError, match=r"metadata: expected what may be believed, found: .*; try again later"
    ):
        device.refresh()
    assert kept(world.folder / "ann") == before


def test_a_device_needs_a_root(world: World, tmp_path: Path) -> None:
    """Without one there is nothing to begin with; one that is none is refused."""
    url = world.server.url
    for root, said in (
        (None, "expected the root that this device was shipped with"),
        (b"{}", "damaged or forged"),
    ):
        with pytest.raises(TrustError, match=said):
            TrustedTargets(tmp_path / "new", url, url, root=root).refresh()


def kept(folder: Path) -> dict[str, bytes]:
    """Return the metadata that a device keeps."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.json") if ".work" not in path.parts}


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
