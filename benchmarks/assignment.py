"""Time `Chooser` beside `choose`: 20 releases of 5 tasks, 10,000 devices, process CPU, best of five in turn.

python benchmarks/assignment.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

from deploy import Assignment, Chooser, Cohort, Condition, Release, Ruleset, choose, read_profile

DEVICES = [f"device-{n}" for n in range(10_000)]
PROFILE = read_profile({"app": "9.10.2", "os": "android", "ram_gb": 4, "country": "de"})
PHONES = (Condition("app", "version_at_least", ("9.1",)), Condition("os", "in", ("android", "ios")))
ELSEWHERE = (Condition("country", "in", ("fr", "it")),)


def ruleset() -> Ruleset:
    """Return 20 releases of 5 tasks with shares from 0 to 90 %, a third of them for another country."""
    return Ruleset(
        1,
        {
            f"r{n:02}": Release(
                f"task{n % 5}",
                f"{n:064x}",
                "a" * 64,
                Cohort(f"salt{n}", 100_000 * (n % 10), PHONES if n % 3 else ELSEWHERE),
                priority=n,
            )
            for n in range(20)
        },
    )


def seconds(choose_one: Callable[[str], Assignment]) -> float:
    """Return the process CPU that choosing for every device takes."""
    began = time.process_time()
    for device in DEVICES:
        choose_one(device)
    return time.process_time() - began


def main() -> None:
    """Print both times per device and their ratio."""
    rules = ruleset()
    chooser = Chooser(rules)
    assert all(chooser.choose(device, PROFILE) == choose(rules, device, PROFILE) for device in DEVICES)
    pairs = [
        (seconds(lambda d: choose(rules, d, PROFILE)), seconds(lambda d: chooser.choose(d, PROFILE)))
        for _ in range(5)
    ]
    plain, ready = (min(column) / len(DEVICES) * 1e6 for column in zip(*pairs, strict=True))
    print(f"choose {plain:.1f} us, Chooser {ready:.1f} us a device: {plain / ready:.1f} times as fast")


if __name__ == "__main__":
    main()
