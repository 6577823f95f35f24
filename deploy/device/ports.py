"""Who runs releases, what time it is, what a device tells of itself: what an agent is given by its app."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deploy import canonical
from deploy.bundle.bundle import Bundle
from deploy.device.kept import mark
from deploy.errors import InstallError
from deploy.profile import Fact
from deploy.wire.assignment import Assigned
from deploy.wire.check import DEVICE, GRAPHS, MAX_PROFILE, PROFILE
from deploy.wire.report import Counts


@dataclass(frozen=True, slots=True)
class Placed:
    """A release whose bytes are here."""

    task: str
    assigned: Assigned
    bundle: Bundle

    @property
    def mark(self) -> str:
        """Return a short name of the bytes."""
        return mark(self.assigned)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the release that a task runs did in this process so far."""

    release: str
    runs: int = 0
    failures: int = 0
    error: str = ""  # of the last failure


class Host(Protocol):
    """Whoever runs releases."""

    def prove(self, placed: Placed) -> None:
        """Run the golden examples.

        An InstallError is this device's refusal, any other error the release's fault.
        """

    def run(self, task: str, placed: Placed | None) -> None:
        """Let TASK run PLACED from now on, None: what the app has built in; errors as of `prove`."""

    def tally(self, task: str) -> Tally | None:
        """Return what the release of TASK did so far, None if it runs none."""

    def take(self, task: str) -> Counts:
        """Return what was counted of TASK since the last call, or since its release runs."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is for people, and how much has passed whatever they do to it; ms."""

    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    steady_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Asking:
    """What a check tells of the device."""

    profile: Mapping[str, Fact] = field(default_factory=dict)
    graphs: Collection[str] | None = None  # ids of those that it can run; None: any

    def headers(self, device: str) -> dict[str, str]:
        """Return the headers of a check; raise InstallError for what no header can say."""
        facts = canonical.encode(dict(self.profile)).decode("utf-8")
        for what, text in (("id", device), ("profile", facts)):
            if not (text.isascii() and text.isprintable()) or len(text) > MAX_PROFILE:
                raise InstallError(
                    f"{what}: expected printable ASCII of at most {MAX_PROFILE} characters,"
                    f" found {text!r:.60}; name it otherwise"
                )
        found = {DEVICE: device, PROFILE: facts}
        return found if self.graphs is None else {**found, GRAPHS: ",".join(sorted(self.graphs))}
