"""What a device believes: assignments by keys that its TUF repository names, bundles by their publishers."""

from __future__ import annotations

from typing import Final, Protocol

from deploy.task.manifest import Manifest
from deploy.trust.assignments import AssignmentKeys, verify
from deploy.wire.assignment import AssignmentManifest, SignedAssignment

_FRESH_MS: Final = 6 * 3_600_000  # a key that was taken away is believed no longer


class Targets(Protocol):
    """A TUF client: what it gives was verified, or is refused with a TrustError."""

    def refresh(self) -> None:
        """Fetch what is signed anew."""

    def manifest(self, task: str, bundle_id: str) -> Manifest:
        """Return the manifest of a bundle that the task's publishers signed."""

    def assignment_keys(self) -> AssignmentKeys:
        """Return the keys that sign assignments."""


class Belief(Protocol):
    """The two words that a device needs; TrustError where one may not be believed."""

    def assignment(
        self, signed: SignedAssignment, device: str, now_ms: int, least_ruleset: int
    ) -> AssignmentManifest:
        """Return what SIGNED says, if DEVICE may believe it."""

    def manifest(self, task: str, bundle: str) -> Manifest:
        """Return the manifest that the publishers of TASK signed."""


class BeliefByTargets:
    """Both words by what a TUF client verified."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._keys: AssignmentKeys | None = None
        self._asked_ms = 0

    def assignment(
        self, signed: SignedAssignment, device: str, now_ms: int, least_ruleset: int
    ) -> AssignmentManifest:
        """Return what SIGNED says, if DEVICE may believe it; raise TrustError or NetworkError if not."""
        keys = self._keys
        stale = keys is None or abs(now_ms - self._asked_ms) > _FRESH_MS
        if stale or keys is None or not signed.signatures.keys() & keys.keys.keys():
            self._targets.refresh()
            keys, self._asked_ms = self._targets.assignment_keys(), now_ms
            self._keys = keys
        return verify(signed, keys, device=device, now_ms=now_ms, least_ruleset=least_ruleset)

    def manifest(self, task: str, bundle: str) -> Manifest:
        """Return the manifest that the publishers of TASK signed."""
        self._targets.refresh()
        return self._targets.manifest(task, bundle)
