"""The attacks that TUF is made against (specification 1.5.2, and the list of known ones), by a real server.

After each attack the honest repository is believed as before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile

from deploy import canonical
from deploy.errors import TrustError
from deploy.trust.tufkeys import tuf_key
from tests.trust.world import (
    DAY_MS,
    KEYS,
    OFFLINE,
    ONLINE,
    QUICK,
    Fault,
    Request,
    World,
    held,
    manifest,
    signers,
)

State = dict[str, bytes]


@contextmanager
def attacked(world: World, said: str = "expected what may be believed") -> Iterator[None]:
    """Expect that what is done inside is refused with SAID, in one line, and no harm stays."""
    with pytest.raises(TrustError, match=said) as refused:
        yield
    assert "\n" not in str(refused.value)
    world.server.lies, world.server.faults = {}, {}
    world.device().manifest("rank", world.publish("after the attack"))


def signed(state: State, name: str, change: Callable[[dict[str, object]], object], *names: str) -> bytes:
    """Return the file NAME of STATE with its content changed, signed by the keys NAMES."""
    content = json.loads(state[name])
    change(content["signed"])
    md = Metadata.from_dict({"signed": content["signed"], "signatures": []})
    for key in held(*names):
        md.sign(CryptoSigner(key.private, tuf_key(key.public)), append=True)
    return md.to_bytes()


def newest(state: State, role: str) -> str:
    """Return the name of ROLE's newest file in STATE."""
    return max((name for name in state if name.endswith(f".{role}.json")), key=lambda n: int(n.split(".")[0]))


# ---------------------------------------------------------------- arbitrary and wrong software


@pytest.mark.parametrize("spoil", ["flip", "cut", "more", "other"])
def test_arbitrary_software(spoil: str, world: World) -> None:
    """Content that is not what was signed for: a bit, a byte less, a byte more, another bundle's manifest."""
    one = world.publish()
    content = manifest().to_json()
    lies = {
        "flip": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "cut": content[:-1],
        "more": content + b" ",
        "other": manifest(words="two").to_json(),
    }
    world.server.lies = {f"{one}.json": lies[spoil]}
    with attacked(world):
        world.device().manifest("rank", one)


def test_wrong_software_another_task(world: World) -> None:
    """Who signs for one task signs for no other, and a bundle is of the task under which it stands."""
    world.publish()
    world.repository.delegate("ads", signers("thief"), held("targets", *ONLINE))
    other = manifest("rank", "thief's")
    state = world.state()

    def list_it(content: dict[str, object]) -> None:
        for path in (f"rank/{other.id}.json", f"ads/{other.id}.json"):
            file = TargetFile(len(other.to_json()), {"sha256": other.id}, path)
            content["targets"][path] = file.to_dict()  # type: ignore[index]

    blank = {"_type": "targets", "spec_version": "1.0.31", "version": 1, "targets": {}}
    content = json.dumps({"signed": {**blank, "expires": "2100-01-01T00:00:00Z"}}).encode()
    made = signed({"ads.json": content}, "ads.json", list_it, "thief")
    (world.repository.metadata / "1.ads.json").write_bytes(made)
    world.repository.refresh(held(*ONLINE))
    for path in ("rank", "ads"):
        place = world.repository.targets / path / f"{other.id}.{other.id}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(other.to_json())
    assert state != world.state()
    with attacked(world, "expected a target that somebody signed for, found none"):
        world.device().manifest("rank", other.id)
    with attacked(world, "expected a bundle of 'ads', found 'rank'"):
        world.device().manifest("ads", other.id)


def test_wrong_software_under_another_name(world: World) -> None:
    """The content must have the id under which it is asked for, even if its publisher signed it so."""
    one, two = manifest(words="one"), manifest(words="two")

    def list_it(content: dict[str, object]) -> None:
        path = f"rank/{one.id}.json"
        file = TargetFile(len(two.to_json()), {"sha256": two.id}, path)
        content["targets"] = {path: file.to_dict()}

    world.publish("zero")
    content = signed(world.state(), newest(world.state(), "rank"), list_it, "rank")
    (world.repository.metadata / "9.rank.json").write_bytes(
        signed({"r": content}, "r", lambda said: said.update(version=9), "rank")
    )
    world.repository.refresh(held(*ONLINE))
    place = world.repository.targets / "rank" / f"{two.id}.{one.id}.json"
    place.write_bytes(two.to_json())
    with attacked(world, f"expected the manifest of that id, found {two.id:.12}"):
        world.device().manifest("rank", one.id)


def test_extraneous_dependencies(world: World) -> None:
    """A bundle that brings a file along is another bundle, and nobody signed for it."""
    one = manifest()
    world.publish()
    more = manifest()
    more.files["data/extra"] = one.files["data/words"]
    world.server.lies = {f"{one.id}.json": more.to_json()}
    with attacked(world):
        world.device().manifest("rank", one.id)
    with attacked(world, "found none"):
        world.device().manifest("rank", canonical.digest(more.to_json()))


# ---------------------------------------------------------------- old and mixed states


def test_rollback(world: World) -> None:
    """A state that was true is refused once a newer one was believed, whole or by its timestamp alone."""
    world.publish("one")
    old = world.state()
    two = world.publish("two")
    world.device().manifest("rank", two)
    world.serve(old)
    with attacked(world):
        world.device().refresh()
    world.server.lies = {"/timestamp.json": old["timestamp.json"]}
    with attacked(world):
        world.device().refresh()


def test_rollback_below_a_timestamp_by_who_holds_its_key(world: World) -> None:
    """With the timestamp's key alone an old snapshot is no new one."""
    world.publish("one")
    old = world.state()
    world.publish("two")
    world.device().refresh()
    new = world.state()
    was = json.loads(old["timestamp.json"])["signed"]["meta"]
    lie = signed(new, "timestamp.json", lambda said: said.update(version=99, meta=was), "timestamp")
    world.server.lies = {"/timestamp.json": lie}
    with attacked(world):
        world.device().refresh()


def test_freeze(world: World) -> None:
    """A state that is never renewed is refused from its end on."""
    world.clock.ms -= 4 * DAY_MS
    world.repository.refresh(held(*ONLINE))
    one = world.publish()
    frozen = world.state()
    world.clock.ms += 4 * DAY_MS
    world.repository.refresh(held(*ONLINE))
    world.serve(frozen)
    with attacked(world, "expired"):
        world.device().manifest("rank", one)


def test_freeze_of_roots(world: World) -> None:
    """A mirror that hides a new root serves metadata of keys that ended; they end with the timestamp."""
    world.clock.ms -= 4 * DAY_MS
    world.publish()
    frozen = world.state()
    world.clock.ms += 4 * DAY_MS
    world.repository.rotate(
        "timestamp",
        held("root", "root2", "snapshot", "assign"),
        add=[KEYS["assign"].public],
        remove=[KEYS["timestamp"].id],
    )
    world.serve(frozen)
    with pytest.raises(TrustError, match="expired"):
        world.device().refresh()
    world.server.lies = {}
    world.device().refresh()


@pytest.mark.parametrize("role", ["snapshot", "targets", "rank"])
def test_mix_and_match(role: str, world: World) -> None:
    """Files of two states together are neither, and a file that is kept back is missed."""
    world.publish("one")
    old = world.state()
    world.repository.rotate("rank", held("targets", "rank", *ONLINE), add=[KEYS["rank2"].public])
    two = world.publish("two")
    name = newest(world.state(), role)
    assert name not in old
    for number, lie in enumerate((old[newest(old, role)], None)):
        world.server.lies = {f"/{name}": lie}
        with pytest.raises(TrustError, match="expected what may be believed"):
            world.device(f"{number}").manifest("rank", two)
        world.server.lies = {}
        assert world.device(f"{number}").manifest("rank", two).id == two


def test_fast_forward_and_its_end(world: World) -> None:
    """Numbers as high as they go, by who holds the online keys, end with these keys."""
    world.publish()
    state = world.state()
    far = signed(state, newest(state, "snapshot"), lambda said: said.update(version=10**9), "snapshot")
    meta = {
        "snapshot.json": {"version": 10**9, "length": len(far), "hashes": {"sha256": canonical.digest(far)}}
    }
    lie = signed(state, "timestamp.json", lambda said: said.update(version=10**9, meta=meta), "timestamp")
    world.server.lies = {"/timestamp.json": lie, f"/{10**9}.snapshot.json": far}
    world.device().refresh()
    world.server.lies = {}
    with pytest.raises(TrustError, match="must be >= 1000000000"):
        world.device().refresh()
    for role, new in (("snapshot", "rank2"), ("timestamp", "assign")):
        world.repository.rotate(
            role,
            held("root", "root2", *ONLINE, "rank2", "assign"),
            add=[KEYS[new].public],
            remove=[KEYS[role].id],
        )
    world.device().manifest("rank", world.publish("after", "rank", "rank2", "assign"))


def test_fast_forward_without_the_keys(world: World) -> None:
    """A number that nobody signed is no number."""
    world.publish()
    content = world.state()["timestamp.json"]
    world.server.lies = {"/timestamp.json": content.replace(b'"version":3', b'"version":9')}
    assert world.server.lies["/timestamp.json"] != content
    with attacked(world):
        world.device().refresh()


# ---------------------------------------------------------------- endless, slow and cut answers


def endless(request: Request, content: bytes) -> None:
    """Send what is asked for, and never end."""
    request.head(200, None)
    while True:
        request.body(b" " * 65_536)


def drips(request: Request, content: bytes) -> None:
    """Send a byte now and then."""
    request.head(200, len(content))
    for place in range(len(content)):
        request.body(content[place : place + 1])
        time.sleep(0.02)


def drips_its_head(request: Request, content: bytes) -> None:
    """Send a head that does not end."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        request.wfile.write(b"X: y\r\n")
        time.sleep(0.1)


def is_silent(request: Request, content: bytes) -> None:
    """Send a head, and nothing."""
    request.head(200, len(content))
    time.sleep(1)


def redirects(request: Request, content: bytes) -> None:
    """Send the device elsewhere."""
    request.head(302, 0, Location="http://127.0.0.1:1/")


def compressed(request: Request, content: bytes) -> None:
    """Send what would become long."""
    import gzip

    bomb = gzip.compress(b" " * 10_000_000)
    request.head(200, len(bomb), **{"Content-Encoding": "gzip"})
    request.body(bomb)


FILES = ("2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json", "1.rank.json", "bundle")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("fault", [endless, drips, is_silent, redirects, compressed, drips_its_head])
def test_endless_slow_and_turned_answers(file: str, fault: Fault, world: World) -> None:
    """Each file in turn: the device stops in time, having taken little more than the file may be long."""
    one = world.publish()
    if file == "2.root.json":
        world.repository.rotate("root", held("root", "root2"), threshold=2)
    name = file if file != "bundle" else f"{one}.json"
    assert any(path.name.endswith(name) for path in world.folder.rglob("*.json"))
    world.server.faults = {f"{'' if file == 'bundle' else '/'}{name}": fault}
    with pytest.raises(TrustError, match="expected what may be believed"):
        world.device("ann", QUICK).manifest("rank", one)
    assert world.server.sent < 20_000_000  # what is on its way in buffers counts too
    world.server.faults = {}
    assert world.device().manifest("rank", one).id == one


@pytest.mark.parametrize("file", FILES)
def test_cut_answers_are_gone_on_with(file: str, world: World) -> None:
    """A connection that breaks off now and then does not keep the device from what is true."""
    one = world.publish()
    if file == "2.root.json":
        world.repository.rotate("root", held("root", "root2"), threshold=2)
    name = f"/{file}" if file != "bundle" else f"{one}.json"
    left = [3]

    def cut(request: Request, content: bytes) -> None:
        left[0] -= 1
        request.whole(content, len(content) // 4 if left[0] >= 0 else None)

    world.server.faults = {name: cut}
    assert world.device().manifest("rank", one).id == one
    assert left[0] < 0


# ---------------------------------------------------------------- a mirror, and keys


def test_a_malicious_mirror(world: World) -> None:
    """Whatever it serves in place of any file, no state comes to be believed that was not signed."""
    one = world.publish("one")
    state = world.state()
    chance = Random(8)
    seen = 0
    for name, content in state.items():
        others = [state[other] for other in state if other != name]
        for lie in chance.sample(list(lies(content, others, chance)), 3):
            world.server.lies = {f"/{name}": lie}
            device = world.device(f"{name} {seen}")
            seen += 1
            with suppress(TrustError):
                assert device.manifest("rank", one) == manifest(words="one")
            world.server.lies = {}
            assert device.manifest("rank", one).id == one
    assert seen > 25


def lies(content: bytes, others: list[bytes], chance: Random) -> Iterator[bytes]:
    """Yield what a mirror may serve in the place of CONTENT."""
    place = chance.randrange(len(content))
    yield b""
    yield content[:place]
    yield content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
    yield b"[" * 100_000
    yield b"<html>404</html>"
    yield b'{"signatures":[],"signed":{"_type":"root"}}'
    yield content.replace(b'"signatures":[', b'"signatures":[null,')
    yield chance.choice(others)


def test_a_stolen_root_key_makes_no_root(world: World) -> None:
    """One of three, where two must sign."""
    world.publish()
    state = world.state()

    def mine(said: dict[str, object]) -> None:
        said["version"] = 2
        said["roles"]["root"] = {"keyids": [KEYS["root"].id], "threshold": 1}  # type: ignore[index]

    world.server.lies = {"/2.root.json": signed(state, "1.root.json", mine, "root")}
    with attacked(world):
        world.device().refresh()


def test_a_stolen_key_of_a_task_ends_with_its_rotation(world: World) -> None:
    """With one of two needed keys nothing is signed for; once it is taken away, not even with the others."""
    world.repository.rotate(
        "rank",
        held("targets", "rank", "rank2", *ONLINE),
        add=[KEYS["rank2"].public, KEYS["thief"].public],
        threshold=2,
    )
    with pytest.raises(TrustError, match=r"rank: expected 2 of its keys .*, found 1; give them with --key"):
        world.publish("mine", "thief", *ONLINE)
    both = world.publish("both", "thief", "rank", *ONLINE)
    assert world.device().manifest("rank", both).id == both
    done = world.repository.revoke(KEYS["thief"].id, held("targets", *ONLINE))
    assert done.left == {"rank": "its keys changed"}
    with pytest.raises(TrustError, match="expected what may be believed"):
        world.device().manifest("rank", both)
    world.repository.refresh(held("rank", "rank2", *ONLINE))
    assert world.device().manifest("rank", both).id == both
    with pytest.raises(TrustError, match="rank: expected 2 of its keys"):
        world.publish("mine", "thief", "rank", *ONLINE)


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_a_stolen_key_of_a_top_role_ends_with_a_new_root(role: str, world: World) -> None:
    """What it signs afterwards is refused, and the devices go on with the new key."""
    world.publish()
    old = world.state()
    world.device().refresh()
    world.repository.rotate(
        role, held(*OFFLINE, *ONLINE, "assign"), add=[KEYS["assign"].public], remove=[KEYS[role].id]
    )
    one = world.publish("new", "rank", *ONLINE, "assign")
    state = world.state()
    name = "timestamp.json" if role == "timestamp" else newest(state, role)
    forged = signed(state, name, lambda said: said.update(version=50), role)
    world.server.lies = {f"/{name}": forged}
    with pytest.raises(TrustError, match="expected what may be believed"):
        world.device("new").refresh()
    world.server.lies = {}
    assert old != state
    assert world.device().manifest("rank", one).id == one
