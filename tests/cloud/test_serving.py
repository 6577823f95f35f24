"""A real service in a process of its own: commands, slow and hostile clients, other tools, a stop."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from deploy import Store
from deploy.bundle.pack import pack
from deploy.cli import release as commands
from deploy.cli.policy import policy_of
from deploy.cli.status import status
from deploy.cloud import serve
from deploy.errors import DeployError, ServiceError
from deploy.task.version import Version
from deploy.wire.report import Counts, Report, Reports

RETAIL = Path(headrace.__file__).parent / "retail/package"
ARGV = [sys.executable, "-m", "headrace"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store with two versions of a task."""
    room = tmp_path_factory.mktemp("store")
    shutil.copytree(RETAIL, room / "task/model")
    home = Store(room / "store")
    for words in ("tea", "milk"):
        (room / "task/task.toml").write_text(f'name = "rank"\ndescription = "{words}"\n', "utf-8")
        bundle = pack(room / "task").bundle
        home.commit(bundle, _maker(bundle.id, bundle.manifest.graph_id, words))
    return room / "store"


def _maker(bundle: str, graph: str, words: str) -> Callable[[str | None], Version]:
    return lambda parent: Version("rank", bundle, graph, "Ann", words, 1, parent)


def test_from_a_store_to_a_halt_by_commands(running: Any, store: Path) -> None:
    """Published with its history, released, grown, shown, halted; a refusal is one line and exit code 2."""
    published = running.headrace("publisher", "publish", "rank", "--store", str(store))
    assert published.returncode == 0, published.stderr
    bundle = published.stdout.split()[1]
    again = running.headrace("publisher", "publish", "rank", "--store", str(store))
    assert "sent 0 bytes" in again.stderr
    assert len(running.remote("viewer").ask("GET", "/v1/tasks/rank/versions")["versions"]) == 2
    words = (
        "release",
        "first",
        "--bundle",
        bundle,
        "--share",
        "0.5%",
        "--where",
        "app>=9.1",
        "--allow",
        "ann",
    )
    assert running.headrace("releaser", *words).stdout.endswith("is in force\n")
    assert running.headrace("releaser", "release", "first", "--share", "10%").returncode == 0
    release = running.remote("viewer").ruleset().releases["first"]
    assert (release.cohort.millionths, release.cohort.allow) == (100_000, frozenset({"ann"}))
    refused = running.headrace("releaser", "release", "first", "--share", "1%")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "expected a share of 100000 millionths or more" in refused.stderr
    assert running.headrace("publisher", "halt", "first").returncode == 2
    assert running.headrace("releaser", "halt", "first").returncode == 0
    assert "halted" in running.headrace("viewer", "status").stdout


def test_gates_lead_a_release_by_commands(
    running: Any, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy of a file, shown with where it stands; paused, resumed, halted."""
    bundle = next(Store(store).history("rank")).bundle
    list(running.remote("publisher").publish(Store(store).bundle(bundle)))
    releaser = {"service": running.url, "token": running.secrets["releaser"]}
    policy = tmp_path / "policy.toml"
    policy.write_text("watch_s = 60\ncontrol = 2\n")
    words: Any = {"stages": "10,1k,100%", "counter": ["clicked"], "fleet": 1_000, **releaser}
    commands.release("led", bundle=bundle, policy=policy, **words)
    found = running.remote("viewer").ask("GET", "/v1/releases/led/gate")["policy"]
    assert [stage["devices"] for stage in found["stages"]] == [10, 1_000, None]
    assert (found["watch_s"], found["control"], found["criteria"][-1]["event"]) == (60, 2, "counter.clicked")
    for _ in range(600):  # its gate looks within a second
        if running.remote("viewer").ask("GET", "/v1/releases/led/looks")["looks"]:
            break
        time.sleep(0.1)
    else:
        pytest.fail("expected the gate to look, found no look")
    counts = Counts(3, latency=(0,) * 30 + (3,), counters={"clicked": 2})
    told = Reports((Report("1" * 32, "ann", "rank", "led", "alive", 1, "", counts),))
    running.remote("device").ask("POST", "/v1/reports", told.to_json())
    commands.pause("led", **releaser)
    status("led", **releaser)
    shown = " ".join(capsys.readouterr().out.split())
    assert "stage 1 of 3, paused" in shown
    assert "3 runs, 99 % within 215 us, 0 crashes; clicked 2" in shown
    commands.resume("led", **releaser)
    commands.halt("led", **releaser)
    with pytest.raises(ServiceError, match="expected a new bundle and no share"):
        commands.release("led", policy=policy, **words)


@pytest.mark.parametrize(
    ("content", "stages", "said"),
    [
        ("watch_s = 1", "", "policy.toml: expected a policy of gates"),
        ("more = 1", "", "policy.toml: expected a policy of gates"),
        ("x = [", "", "policy.toml: expected a policy of gates"),
        ("", "100,0", "stages: expected devices or shares such as 100,1k,10%,100%, found '0'"),
        ("", "ten", "stages: expected devices or shares"),
        ("", "100,200%", "share: expected 0% to 100%"),
    ],
)
def test_what_is_no_policy_is_one_line(tmp_path: Path, content: str, stages: str, said: str) -> None:
    """A file or a list that is malformed is refused before anything is asked."""
    file = tmp_path / "policy.toml"
    file.write_text(content)
    with pytest.raises(DeployError, match=said) as refused:
        policy_of(file, stages)
    assert "\n" not in str(refused.value)


@pytest.mark.checkout
def test_the_policy_of_the_page_is_one(tmp_path: Path) -> None:
    """What the page shows in TOML is read as it says."""
    page = (Path(__file__).parents[2] / "docs/how-to/run-the-service.md").read_text("utf-8")
    shown = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "policy.toml").write_text(textwrap.dedent(shown))
    found = policy_of(tmp_path / "policy.toml")
    assert [each.event for each in found.criteria] == ["failing", "counter.clicked"]
    assert (len(found.stages), found.watch_s, found.latency_us) == (4, 3_600, 20_000)


def test_a_head_is_bounded_in_size_and_time(running: Any) -> None:
    """A head without end is cut; what stands still is cut in time, while others are answered."""
    with running.line() as slow, running.line() as silent, running.line() as large:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-")
        large.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            large.sendall(b"X-Long: x\r\n" * 1_000_000)
        assert running.remote("viewer").ask("GET", "/healthz")["ruleset"] >= 1
        assert (slow.recv(100), silent.recv(100)) == (b"", b"")


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/check HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/reports HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_line_and_nothing_else(running: Any, content: bytes) -> None:
    """Broken requests are answered with a refusal or a cut, and the service goes on."""
    with running.line() as line:
        line.sendall(content)
        assert line.recv(100)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 404", b"")
    assert running.remote("viewer").ask("GET", "/healthz")["ruleset"] >= 1


def test_a_hint_comes_on_a_line_held_open(running: Any) -> None:
    """Who listens is told of a change at once, and asks by a check."""
    with running.line() as line:
        head = f"GET /v1/hints HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {running.secrets['device']}\r\n"
        line.sendall(f"{head}X-Headrace-Ruleset: 0\r\n\r\n".encode())
        seen = _until(line, b"event: hint\ndata: ")
        now = running.remote("viewer").ruleset().version
        assert f'{{"ruleset":{now},"jitter_s":60}}'.encode() in seen
        running.remote("releaser").ask("POST", "/v1/tasks/hinted/halt")
        assert f'"ruleset":{now + 1}'.encode() in _until(line, b"event: hint")


def _until(line: socket.socket, words: bytes) -> bytes:
    seen = b""
    while words not in seen or not seen.endswith(b"\r\n"):
        assert select.select([line], [], [], 30)[0], seen
        seen += line.recv(4_096)
    return seen


def test_a_stop_keeps_what_was_accepted(tmp_path: Path, start: Any) -> None:
    """A line held for hints does not hold up the stop; a report that was answered is there after it."""
    service = start(tmp_path)
    releaser, device = service.remote("releaser"), service.remote("device")
    with service.line() as line:
        head = (
            f"GET /v1/hints HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {service.secrets['device']}\r\n\r\n"
        )
        line.sendall(head.encode())
        _until(line, b"HTTP/1.1 200")
        batch = Reports((Report("0" * 32, "ann", "rank", "none", "alive", 1),))
        assert device.ask("POST", "/v1/reports", batch.to_json()) == {"kept": 1}
        releaser.ask("POST", "/v1/tasks/rank/halt")
        assert "Traceback" not in service.stop()
    with pytest.raises(ServiceError, match="expected a service"):
        releaser.ruleset()
    service.start()
    assert service.remote("viewer").ruleset().halted_tasks == {"rank"}
    service.stop()


def test_what_can_not_be_served_is_said_in_one_line(tmp_path: Path) -> None:
    """No service in a folder, wrong settings, a taken port: one line and exit code 2."""
    env = {**os.environ, "COLUMNS": "200"}

    def fails(*words: str) -> str:
        done = subprocess.run(
            [*ARGV, *words], capture_output=True, text=True, env=env, check=False, timeout=60
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        return done.stderr

    assert "expected" in fails("service", "run", str(tmp_path / "none"))
    serve.init(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "ddress" in fails("service", "run", str(tmp_path), "--port", str(taken.getsockname()[1]))
    (tmp_path / "service.toml").write_text("poll_s = 0\n")
    assert "expected settings" in fails("service", "run", str(tmp_path))
