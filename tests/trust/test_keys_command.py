"""`headrace keys`: a ceremony from nothing to a rotated repository, each step readable before it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import pack, write_bundle
from headrace.cli import main
from tests.deploy.conftest import make_task
from tests.trust.world import manifest

Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `headrace keys ARGUMENTS` beside the keys, which must end with CODE; return what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.fsync", lambda handle: None)

    def call(line: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main(["keys", *line.split()]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        assert code == 0 or (out == "" and err.count("\n") == 1)
        return err if code else out

    for name in ("r1", "r2", "r3", "targets", "snapshot", "timestamp", "rank", "new"):
        call(f"new {name}.pem")
    return call


INIT = (
    "init repo --root r1.pem.pub --root r2.pem.pub --root r3.pem.pub --root-threshold 2"
    " --targets targets.pem.pub --snapshot snapshot.pem.pub --timestamp timestamp.pem.pub"
    " -k r1.pem -k r2.pem -k targets.pem -k snapshot.pem -k timestamp.pem"
)
ONLINE = "-k snapshot.pem -k timestamp.pem"


def test_a_ceremony(run: Run, tmp_path: Path) -> None:
    """Dry, then done, with the same lines; then delegation, publishing, rotation, revocation."""
    dry = run(f"{INIT} --dry-run")
    assert not (tmp_path / "repo").exists()
    assert run(INIT) == dry
    assert "root: ~ root: 2 of its keys must sign" in dry.splitlines()
    assert "expected no repository, found one" in run(INIT, code=2)
    run(f"delegate repo rank --to rank.pem.pub -k targets.pem {ONLINE}")
    run(f"assign repo --to new.pem.pub -k targets.pem {ONLINE}")
    one = manifest()
    from deploy.trust import keys
    from deploy.trust.repository import Repository

    held = [keys.read(tmp_path / f"{name}.pem") for name in ("rank", "snapshot", "timestamp")]
    Repository(tmp_path / "repo").publish("rank", one.to_json(), held)
    ids = dict(
        line.split("  ")[::-1] for line in run("show r3.pem.pub rank.pem.pub new.pem.pub").splitlines()
    )
    line = f"rotate repo root -k r1.pem -k r2.pem --remove {ids['r3.pem.pub'][:8]}"
    assert f"root: - root: key {ids['r3.pem.pub'][:12]}" in run(line).splitlines()
    assert "found 2 of 2" not in run("status repo")
    assert "root: expected 2 of its keys" in run("rotate repo timestamp -k r1.pem --add new.pem.pub", code=2)
    run(f"rotate repo rank --add new.pem.pub -k targets.pem -k rank.pem {ONLINE}")
    run(f"assign repo --to rank.pem.pub --to new.pem.pub -k targets.pem {ONLINE}")
    run(f"revoke repo {ids['new.pem.pub'][:6]} -k targets.pem -k rank.pem {ONLINE}")
    assert (
        f"rank: - rank/{one.id}.json" in run(f"withdraw repo rank {one.id} -k rank.pem {ONLINE}").splitlines()
    )
    assert run(f"refresh repo {ONLINE}") == ""
    roles = {one["standing"]["role"]: one for one in json.loads(run("status repo --json"))}
    assert {name: (one["version"], one["why_due"]) for name, one in roles.items()} == {
        "root": (2, None),
        "targets": (6, None),
        "rank": (2, None),
        "snapshot": (8, None),
        "timestamp": (8, None),
    }
    assert roles["rank"]["keys"] == [ids["rank.pem.pub"]]


def test_a_passphrase(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file or the environment; keys without one are read as they are."""
    (tmp_path / "words").write_text("four words are enough\nmore\n")
    run("new hidden.pem --passphrase-file words")
    line = INIT.replace("timestamp.pem", "hidden.pem")
    assert "expected a passphrase for this key" in run(line, code=2)
    monkeypatch.setenv("HEADRACE_PASSPHRASE", "else")
    assert "another passphrase" in run(line, code=2)
    run(f"{line} --passphrase-file words --dry-run")
    monkeypatch.setenv("HEADRACE_PASSPHRASE", "four words are enough")
    run(line)
    (tmp_path / "words").write_text("\n")
    assert "expected a passphrase in its first line" in run(f"{line} --passphrase-file words", code=2)


def test_an_id_is_of_one_key(run: Run) -> None:
    """Too few digits, and digits of no key."""
    run(INIT)
    for beginning in ("", "ab", "0" * 64):
        word = beginning or "''"
        assert "headrace keys status lists them" in run(f"revoke repo {word} -k r1.pem", code=2)
    assert "expected a TUF repository, found none" in run("status none", code=2)
    assert "name rank.pem.pub" in run("show rank.pem", code=2)


def test_a_bundle_is_vouched_for(run: Run, tmp_path: Path) -> None:
    """From its file, whole; one that is damaged is not."""
    make_task(tmp_path / "task")
    content = pack(tmp_path / "task").bundle
    write_bundle(content, tmp_path / "a.bundle")
    run(INIT)
    run(f"delegate repo retail-rank --to rank.pem.pub -k targets.pem {ONLINE}")
    line = f"vouch repo a.bundle -k rank.pem {ONLINE}"
    told = run(f"{line} --dry-run")
    assert f"retail-rank: + retail-rank/{content.id}.json: {content.id[:12]}" in told.splitlines()
    assert run(line) == told
    assert run(line) == ""
    whole = (tmp_path / "a.bundle").read_bytes()
    (tmp_path / "a.bundle").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "fetch the bundle again" in run(line, code=2) or "expected that hash" in run(line, code=2)


def test_the_signer_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails is told and tried again, until it is interrupted."""
    run(INIT)
    timestamp = tmp_path / "repo/metadata/timestamp.json"
    content = timestamp.read_bytes()
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        timestamp.write_bytes(b"" if len(slept) == 1 else content)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    assert main(["keys", "refresh", "repo", *ONLINE.split(), "--every", "60"]) == 130
    said = capsys.readouterr().err.splitlines()
    assert slept == [3_600, 3_600, 3_600]
    assert said[0] == said[-1] == "nothing was changed"
    assert said[1].startswith("not signed: timestamp.json: expected metadata")
