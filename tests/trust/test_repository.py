"""A repository is changed by who holds the keys, step by step, and what is due is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Targets

from deploy.errors import BundleError, TrustError
from deploy.trust.assignments import AssignmentKeys
from deploy.trust.due import Standing, due
from deploy.trust.repository import Repository, Signers
from deploy.trust.roles import DAY_MS, LIVES, TOP, file_of, place_of, role_in
from deploy.trust.tufkeys import tuf_key
from featuregraph.testing.clock import FakeClock
from tests.trust.world import KEYS, OFFLINE, ONLINE, World, held, manifest, repository, signers

FAR = 400 * DAY_MS


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Give a repository."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    return repository(tmp_path / "home", FakeClock(time.time_ns() // 1_000_000))


# ---------------------------------------------------------------- what is due


def test_a_sound_role_is_not_due() -> None:
    """A millisecond before its time comes."""
    for role, life in LIVES.items():
        ends = life.anew_days * DAY_MS
        assert due([Standing(role, ends + 1)], 0) == {}
        assert set(due([Standing(role, ends)], 0)) >= {role}


def test_why_a_role_is_due() -> None:
    """The first reason that holds, and the timestamp with the snapshot."""
    keys, newer, end = "its keys changed", "something newer is there", "it ended at 1970-01-01T00:00:01.000Z"
    for one, why in (
        (Standing("targets", 0, signed=False, current=False), keys),
        (Standing("targets", 0, current=False), newer),
        (Standing("targets", 1_000), end),
    ):
        assert due([one], 1_000) == {"targets": why}
    near = due([Standing("targets", 1_001)], 1_000)
    assert near == {"targets": "it ends at 1970-01-01T00:00:01.001Z"}
    assert due([Standing("snapshot", FAR, current=False), Standing("timestamp", FAR)], 0) == {
        "snapshot": newer,
        "timestamp": "the snapshot that it names is due",
    }
    assert due([Standing("snapshot", FAR), Standing("timestamp", FAR, signed=False)], 0) == {
        "timestamp": keys
    }


def test_a_signer_may_stand_still_for_a_day() -> None:
    """What is given anew each day holds longer than from one day to the one after the next."""
    assert all(life.anew_days >= 2 and life.days > life.anew_days for life in LIVES.values())
    assert all(LIVES[role].anew_days >= 60 for role in ("root", "targets"))


def test_names_of_files_are_read_back() -> None:
    """And what is no such name is none."""
    for role in (*TOP, "retail-rank", "a_b"):
        assert role_in(file_of(role, 12)) == (role, 0 if role == "timestamp" else 12)
    for name in ("root.json", "1.timestamp.json", "0.root.json", "01.root.json", ".1.root.json.7.part", "x"):
        assert role_in(name) is None
    assert place_of("rank/a.json", "h") == "rank/h.a.json"
    assert place_of("a.json", "h") == "h.a.json"


# ---------------------------------------------------------------- the daily signer


def test_the_daily_signer(home: Repository, tmp_path: Path) -> None:
    """Each day the timestamp, each week the snapshot, never an offline role; on the same day nothing."""
    start = home._clock.now_ms()  # a day after another: the repository has the clock of the test
    given = {"timestamp": 0, "snapshot": 0}
    for day in range(22):
        home._clock.set(start + day * DAY_MS)  # type: ignore[attr-defined]
        done = home.refresh(held(*ONLINE))
        assert done.left == {}
        for role in given:
            given[role] += any(line.startswith(f"{role}: version") for line in done.lines)
        assert home.refresh(held(*ONLINE)).lines == ()
    assert given == {"timestamp": 21, "snapshot": 3}


def test_an_offline_role_is_told_in_time(home: Repository) -> None:
    """Two months before its end; with its keys it is given anew."""
    home._clock.advance(306 * DAY_MS)  # type: ignore[attr-defined]
    left = home.refresh(held(*ONLINE)).left
    assert set(left) == {"root", "targets"}
    assert all(why.startswith("it ends at") for why in left.values())
    assert home.refresh(held(*OFFLINE, *ONLINE)).left == {}
    assert {one.standing.role: one.why_due for one in home.status()} == dict.fromkeys(TOP)


# ---------------------------------------------------------------- changes


def test_dry_changes_nothing(home: Repository, tmp_path: Path) -> None:
    """It tells the same lines, and no file differs."""
    folder = tmp_path / "home"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    dry = Repository(folder, clock=home._clock, dry=True)
    told = dry.publish("rank", manifest().to_json(), held("rank", *ONLINE))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert told == home.publish("rank", manifest().to_json(), held("rank", *ONLINE))
    assert [line for line in told.lines if line.startswith("rank: +")] == [
        f"rank: + rank/{manifest().id}.json: {manifest().id:.12}"
    ]
    Repository(tmp_path / "none", dry=True).init(all_signers(), held(*OFFLINE, *ONLINE))
    assert not (tmp_path / "none").exists()


def all_signers() -> dict[str, Signers]:
    """Return a signer for each top role."""
    return {role: signers(role) for role in TOP}


def test_publishing_twice_is_once(home: Repository) -> None:
    """No version without a change; a version of the history may be added."""
    content = manifest().to_json()
    assert home.publish("rank", content, held("rank", *ONLINE)).lines
    assert home.publish("rank", content, held("rank", *ONLINE)).lines == ()
    assert home.bundles("rank") == [manifest().id]
    assert home.publish("rank", content, held("rank", *ONLINE), version="c" * 64).lines
    home.withdraw("rank", manifest().id, held("rank", *ONLINE))
    assert home.bundles("rank") == []


def test_who_lacks_keys_changes_nothing(home: Repository, tmp_path: Path) -> None:
    """Each refusal says which keys, and leaves every file."""
    before = {path.name for path in home.metadata.iterdir()}
    calls: list[tuple[str, Callable[[], object]]] = [
        ("rank: expected 1 of its keys", lambda: home.publish("rank", manifest().to_json(), held("thief"))),
        ("root: expected 2 of its keys", lambda: home.rotate("snapshot", held("root"), threshold=1)),
        ("targets: expected 1 of its keys", lambda: home.delegate("ads", signers("rank"), held("rank"))),
        (
            "targets: expected 1 of its keys",
            lambda: home.rotate(
                "targets", held("root", "root2"), add=[KEYS["rank2"].public], remove=[KEYS["targets"].id]
            ),
        ),
        (
            "timestamp: expected 1 of its keys",
            lambda: home.rotate(
                "timestamp", held("root", "root2"), add=[KEYS["rank2"].public], remove=[KEYS["timestamp"].id]
            ),
        ),
        (
            "root: expected 3 of its keys .*, found 2",
            lambda: home.rotate("root", held("root", "root2"), threshold=3),
        ),
    ]
    for said, call in calls:
        with pytest.raises(TrustError, match=said) as refused:
            call()
        assert "\n" not in str(refused.value)
        assert "give them with --key" in str(refused.value)
    assert {path.name for path in home.metadata.iterdir()} == before


def test_what_makes_no_sense_is_refused(home: Repository, tmp_path: Path) -> None:
    """In one line, before anything is written."""
    every = held(*OFFLINE, "root3", *ONLINE, "rank")
    one = KEYS["thief"].public
    cases: dict[str, Callable[[], object]] = {
        "expected no repository, found one": lambda: home.init(all_signers(), every),
        "expected signers of root, targets": lambda: home.init({}, every),
        "expected a TUF repository, found none": lambda: Repository(tmp_path / "x").refresh(every),
        "another name than TUF's own roles": lambda: home.delegate("root", signers("rank"), every),
        "expected nobody to sign for it": lambda: home.delegate("rank", signers("rank"), every),
        "expected a task that somebody signs for": lambda: home.rotate("ads", every, add=[one]),
        "rank: expected one of its keys": lambda: home.rotate("rank", every, remove=["0" * 64]),
        "rank: expected a threshold": lambda: home.rotate("rank", every, remove=[KEYS["rank"].id]),
        "root: expected a threshold from 1": lambda: home.rotate("root", every, threshold=4),
        "expected a threshold from 1 to": lambda: signers("rank", threshold=2),
        "expected a key of some role": lambda: home.revoke("0" * 64, every),
        "expected enough keys to sign assignments": lambda: home.revoke(KEYS["assign"].id, every),
        "expected a bundle of 'rank', found": lambda: home.publish("rank", manifest("ads").to_json(), every),
        "expected a published bundle, found no": lambda: home.withdraw("rank", "0" * 64, every),
        "expected a task that somebody signs for, found 'ads'": lambda: home.bundles("ads"),
    }
    for said, call in cases.items():
        with pytest.raises(TrustError, match=said) as refused:
            call()
        assert "\n" not in str(refused.value)
    with pytest.raises(BundleError, match="manifest: expected"):
        home.publish("rank", b"{}", every)


def test_a_key_is_revoked_wherever_it_signs(world: World) -> None:
    """From roles and assignments at once, and devices follow."""
    home = world.repository
    every = held(*OFFLINE, *ONLINE, "rank", "rank2")
    home.rotate("rank", every, add=[KEYS["rank2"].public])
    home.rotate("timestamp", every, add=[KEYS["rank2"].public])
    home.assign(AssignmentKeys.of([KEYS[name].public for name in ("assign", "rank2")]), every)
    one = world.publish()
    home.revoke(KEYS["rank2"].id, every)
    assert [one for one in home.status() if KEYS["rank2"].id in one.keys] == []
    trusted = home.assignment_keys()
    assert trusted is not None
    assert set(trusted.keys) == {KEYS["assign"].id}
    device = world.device()
    assert device.manifest("rank", one).id == one
    assert device.assignment_keys() == trusted


def test_a_task_that_nobody_signs_for_any_more(world: World) -> None:
    """Its bundles are believed no more; delegated anew, its list goes on."""
    home = world.repository
    one = world.publish()
    home.undelegate("rank", held("targets", *ONLINE))
    with pytest.raises(TrustError, match="found none"):
        world.device().manifest("rank", one)
    home.delegate("rank", signers("rank2"), held("targets", "rank2", *ONLINE))
    two = world.publish("two", "rank2", *ONLINE)
    assert world.device().manifest("rank", two).id == two


def test_damage_is_told(home: Repository) -> None:
    """A file that is none is one line, and nothing is written over."""
    home.publish("rank", manifest().to_json(), held("rank", *ONLINE))
    for name in ("1.rank.json", "timestamp.json", "3.targets.json", "1.root.json"):
        path = home.metadata / name
        content = path.read_bytes()
        for damaged in (content[:-5], b"", b"[" * 50_000, (home.metadata / "1.snapshot.json").read_bytes()):
            path.write_bytes(damaged)
            with pytest.raises(TrustError, match="restore the repository from a copy") as refused:
                home.refresh(held(*OFFLINE, *ONLINE))
            assert "\n" not in str(refused.value)
        path.write_bytes(content)
    assert home.refresh(held(*ONLINE)).lines == ()


def test_a_list_never_goes_back(home: Repository) -> None:
    """Where old keys sign again, it is the newest list that they sign, not the one that they left."""
    change = held("targets", *ONLINE)
    home.publish("rank", manifest(words="one").to_json(), held("rank", *ONLINE))
    home.rotate("rank", change, add=[KEYS["rank2"].public], remove=[KEYS["rank"].id])
    home.publish("rank", manifest(words="two").to_json(), held("rank2", *ONLINE))
    done = home.rotate("rank", change, add=[KEYS["rank"].public], remove=[KEYS["rank2"].id])
    assert done.left == {"rank": "its keys changed"}
    assert home.refresh(held("rank", *ONLINE)).left == {}
    assert len(home.bundles("rank")) == 2


def test_no_number_is_given_twice(home: Repository) -> None:
    """A file that a cut or a stranger left is passed over, and its number with it."""
    home.publish("rank", manifest(words="one").to_json(), held("rank", *ONLINE))
    left: Metadata[Targets] = Metadata.from_bytes((home.metadata / "1.rank.json").read_bytes())
    left.signed.version = 9
    left.sign(CryptoSigner(KEYS["thief"].private, tuf_key(KEYS["thief"].public)))
    left.to_file(str(home.metadata / "9.rank.json"))
    home.publish("rank", manifest(words="two").to_json(), held("rank", *ONLINE))
    assert {one.standing.role: one.version for one in home.status()}["rank"] == 10
    (home.metadata / "12.rank.json").write_bytes((home.metadata / "10.rank.json").read_bytes())
    with pytest.raises(TrustError, match=r"12\.rank\.json: expected metadata, found: version 10; restore"):
        home.refresh(held(*ONLINE))
