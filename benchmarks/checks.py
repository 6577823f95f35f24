"""Checks and reports per second of the server's CPU, over HTTP on loopback, beside a bare application.

python benchmarks/checks.py [ROUNDS]

1. The service runs in a process of its own, as `headrace service run` runs it: SQLite, real signatures, 20
   releases of 5 tasks. Beside it runs uvicorn with an application that only sends as many bytes: the floor.
2. This process sends over 32 connections, one request in flight on each; devices and profiles rotate.
3. Both are asked in turn, ROUNDS times (5). A figure is requests by the CPU of the server's process, user and
   system, of all its threads, so that who else uses the machine says little; the median with its range.
4. Reports come in posts of 1, 10 and 100, each with counts and latencies, answered after their commit.
"""

from __future__ import annotations

import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from deploy import Cohort, Condition, Release
from deploy.cloud import rulesets, serve, tokens
from deploy.cloud.registry import Registry
from deploy.cloud.roles import Who
from deploy.task.manifest import MODEL_FILES, Manifest
from deploy.wire.report import Counts, Report, Reports
from inference.manifest import FileEntry

LINES: Final = 32
CHECKS, REPORTS = 20_000, 40_000  # of a round; of reports in posts of 100, and fewer in smaller ones
GRAPH: Final = "a" * 64
PHONES = (Condition("app", "version_at_least", ("9.1",)), Condition("os", "in", ("android", "ios")))
PROFILES = [
    f'{{"app":"9.{n}.2","os":"{os}","ram_gb":4}}' for n in range(8) for os in ("android", "ios", "tv")
]
BARE = """
import sys, uvicorn
body = b"x" * int(sys.argv[2])
head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
        (b"etag", b'"' + b"0" * 32 + b'"'), (b"cache-control", b"private, no-cache")]
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
quiet = {"log_level": "warning", "access_log": False, "server_header": False, "lifespan": "off"}
uvicorn.run(app, port=int(sys.argv[1]), **quiet)
"""


def prepare(folder: Path) -> str:
    """Make the service in FOLDER, with 20 releases, and return a device's secret."""
    serve.init(folder)
    (folder / "service.toml").write_text("calls_per_s = 0\n")
    database = serve.opened(folder)
    who, registry = Who("0" * 16, "bench", "releaser"), Registry(database)
    for n in range(20):
        files = dict.fromkeys(sorted(MODEL_FILES), FileEntry(n, f"{n:064x}"))
        manifest = Manifest(f"task{n % 5}", GRAPH, "b" * 64, files)
        registry.publish(who, manifest)
        cohort = Cohort(f"salt{n}", 100_000 * (n % 10), PHONES if n % 3 else ())
        release = Release(manifest.task, manifest.id, GRAPH, cohort, n)
        edit = partial(rulesets.released, name=f"r{n:02}", release=release)
        registry.change(who, "release.put", f"r{n:02}", edit)
    _, secret = tokens.add(database, "device", "bench", 0)
    database.close()
    return secret


@contextmanager
def process(argv: list[str], port: int) -> Iterator[int]:
    """Run ARGV until the block ends; give its id when it listens on PORT."""
    child = subprocess.Popen([sys.executable, *argv], stderr=subprocess.DEVNULL)  # noqa: S603 - our own programs
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield child.pid
    finally:
        child.terminate()
        child.wait()


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that the process PID used, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer(line: socket.socket) -> int:
    """Read one answer whole and return its status."""
    seen = b""
    while True:
        seen += line.recv(65_536)
        head, found, body = seen.partition(b"\r\n\r\n")
        if found:
            sized = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            if len(body) >= int(sized or 0):
                return int(head[9:12])


def send(port: int, requests: Iterator[bytes], count: int, good: int) -> None:
    """Send COUNT of REQUESTS to PORT, each answered with GOOD before the next on its connection."""
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(LINES)]
    left = count
    while left:
        asked = lines[: min(left, LINES)]
        for line, request in zip(asked, islice(requests, len(asked)), strict=True):
            line.sendall(request)
        for line in asked:
            assert (status := answer(line)) == good, status
        left -= len(asked)
    for line in lines:
        line.close()


def checks(secret: str) -> Iterator[bytes]:
    """Yield checks of 100,000 devices without end."""
    n = 0
    while True:
        n += 1
        yield (
            f"GET /v1/check HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n"
            f"X-Headrace-Device: device-{n % 100_000}\r\n"
            f"X-Headrace-Profile: {PROFILES[n % len(PROFILES)]}\r\n\r\n"
        ).encode()


def reports(secret: str, batch: int, seed: int) -> Iterator[bytes]:
    """Yield posts of BATCH reports each without end, with ids by SEED; one of 50 tells of a failure."""
    draw = random.Random(seed)
    while True:
        told = tuple(report(draw.getrandbits(128)) for _ in range(batch))
        body = Reports(told).to_json()
        head = f"POST /v1/reports HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n"
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def report(n: int) -> Report:
    """Return the report with the id N."""
    counts = Counts(20, int(n % 50 == 0), 0, (0,) * 40 + (3, 9, 8), {"shown": 20, "clicked": 3})
    return Report(f"{n:032x}", f"device-{n % 100_000}", "task1", f"r{n % 20:02}", "alive", 1, "", counts)


def measured(pid: int, count: int, work: Callable[[], None]) -> tuple[float, float]:
    """Return COUNT by seconds of the CPU of PID, and by seconds of the clock, while WORK runs."""
    began, used = time.perf_counter(), cpu_s(pid)
    work()
    return count / (cpu_s(pid) - used), count / (time.perf_counter() - began)


def told(
    name: str, figures: list[tuple[float, float]], floor: list[tuple[float, float]] | None = None
) -> None:
    """Print the median of FIGURES with its range, and as a part of FLOOR's."""
    by_cpu, by_clock = ([f[i] for f in figures] for i in (0, 1))
    middle = statistics.median(by_cpu)
    part = f", {middle / statistics.median(f[0] for f in floor):.0%} of bare" if floor else ""
    print(
        f"{name:28} {middle:>9,.0f} per core-second ({min(by_cpu):,.0f} to {max(by_cpu):,.0f}){part};"
        f" {statistics.median(by_clock):,.0f} per second here"
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """Print the figures."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as room:
        secret, ours, bare = prepare(Path(room)), free_port(), free_port()
        run = ["-m", "headrace", "service", "run", room, "--port", str(ours)]
        with process(run, ours) as service:
            with socket.create_connection(("127.0.0.1", ours)) as line:
                line.sendall(next(checks(secret)))
                assert answer(line) == 200
            with process(["-c", BARE, str(bare), "1100"], bare) as floor:
                send(ours, checks(secret), 2_000, 200)
                send(bare, checks(secret), 2_000, 200)
                got: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
                for _ in range(rounds):
                    for name, port, pid in (("ours", ours, service), ("bare", bare, floor)):
                        got[name].append(
                            measured(pid, CHECKS, partial(send, port, checks(secret), CHECKS, 200))
                        )
            told("bare application", got["bare"])
            told("checks", got["ours"], got["bare"])
            for batch in (1, 10, 100):
                figures = []
                for turn in range(rounds):
                    count = REPORTS * batch // 100
                    made = list(islice(reports(secret, batch, 1_000 * turn + batch), count // batch))
                    work = partial(send, ours, iter(made), len(made), 202)
                    figures.append(measured(service, count, work))
                told(f"reports, {batch} a post", figures)


if __name__ == "__main__":
    main()
