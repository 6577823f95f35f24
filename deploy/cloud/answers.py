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
from deploy.cloud.facts import graphs_of, profile_of
from deploy.rollout import Assignment, Ruleset
from deploy.wire.assignment import Assigned, AssignmentManifest, SignedAssignment
from deploy.wire.check import Answer

Sign = Callable[[AssignmentManifest], SignedAssignment]

MAX_ANSWERS: Final = 10_000  # combinations that are kept ready; about a kilobyte each
MAX_ROWS: Final = 200_000  # releases in all the choosers that are kept, one for each text of facts
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
        self._choosers: dict[tuple[bytes, bytes | None], Chooser] = {}
        self._most = max(16, MAX_ROWS // (len(ruleset.releases) + 10))
        self._ready: dict[tuple[str, ...], Ready] = {}

    def answer(self, device: str, facts: bytes = b"{}", graphs: bytes | None = None) -> Ready:
        """Return what DEVICE is answered, by the headers with its FACTS and the GRAPHS that it can run."""
        chooser = self._choosers.get((facts, graphs)) or self._prepare(facts, graphs)
        chosen = chooser.choose(device, {})
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

    def _prepare(self, facts: bytes, graphs: bytes | None) -> Chooser:
        """Return the chooser for devices that tell the same; a fleet has few such texts."""
        profile = profile_of(facts)
        chooser = self._chooser if graphs is None else Chooser(self.ruleset, graphs_of(graphs))
        if len(self._choosers) >= self._most:
            self._choosers.pop(next(iter(self._choosers)))
        self._choosers[facts, graphs] = chooser = chooser.narrowed(profile)
        return chooser
