"""What devices are answered, ready as bytes: one answer per combination of releases, signed once.

1. A check is a choice by the ruleset (no row is read for it), and the answer for what was chosen.
2. An answer is made when the first device needs it, and kept while ruleset and time run.
3. Its time is one of fixed spans: every replica with the same ruleset, key and span gives the same bytes, and
   an answer is good for three quarters of `valid_s` at least: whoever is told 304 has time to ask again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from deploy import canonical
from deploy.chooser import Chooser
from deploy.profile import Profile
from deploy.rollout import Assignment, Ruleset
from deploy.wire.assignment import Assigned, AssignmentManifest, SignedAssignment
from deploy.wire.check import Answer

Sign = Callable[[AssignmentManifest], SignedAssignment]

MAX_ANSWERS: Final = 10_000  # combinations that are kept ready; about a kilobyte each
MAX_CHOOSERS: Final = 64  # sets of graphs of devices that can not install them
SPANS: Final = 4  # that an answer is valid for


class Ready(NamedTuple):
    """One answer as bytes."""

    etag: bytes
    body: bytes


class Answers:
    """The answers by one ruleset within one span of time."""

    def __init__(self, ruleset: Ruleset, sign: Sign, poll_s: int, valid_s: int, now_ms: int) -> None:
        span_ms = valid_s * 1_000 // SPANS
        self.ruleset = ruleset
        self.next_ms = (now_ms // span_ms + 1) * span_ms  # when others take the place of these
        self._until_ms = self.next_ms + (SPANS - 1) * span_ms
        self._sign, self._poll_s = sign, poll_s
        self._chooser = Chooser(ruleset)
        self._choosers: dict[frozenset[str], Chooser] = {}
        self._graphs = frozenset(release.graph_id for release in ruleset.releases.values())
        self._ready: dict[tuple[str, ...], Ready] = {}

    def answer(self, device: str, profile: Profile, graphs: frozenset[str] | None = None) -> Ready:
        """Return what DEVICE with PROFILE is answered; GRAPHS are those that it can run, None: any."""
        chooser = self._chooser if graphs is None else self._chooser_of(graphs & self._graphs)
        chosen = chooser.choose(device, profile)
        key = tuple(
            chosen.releases.values()
        )  # ids of releases are unique, and stand in the order of their tasks
        return self._ready.get(key) or self._make(key, chosen)

    def _make(self, key: tuple[str, ...], chosen: Assignment) -> Ready:
        releases = self.ruleset.releases
        tasks = {
            task: Assigned(name, releases[name].bundle, releases[name].graph_id)
            for task, name in chosen.releases.items()
        }
        manifest = AssignmentManifest(self.ruleset.version, self._until_ms, tasks, chosen.halted)
        body = Answer(self._sign(manifest), self._poll_s).to_json()
        ready = Ready(b'"%s"' % canonical.digest(body)[:32].encode(), body)
        if len(self._ready) >= MAX_ANSWERS:
            self._ready.pop(next(iter(self._ready)))
        self._ready[key] = ready
        return ready

    def _chooser_of(self, graphs: frozenset[str]) -> Chooser:
        chooser = self._choosers.get(graphs)
        if chooser is None:
            if len(self._choosers) >= MAX_CHOOSERS:
                self._choosers.pop(next(iter(self._choosers)))
            chooser = self._choosers[graphs] = Chooser(self.ruleset, graphs)
        return chooser
