"""What a device believes: assignments by keys that its TUF repository names, bundles by their publishers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from deploy.errors import NetworkError, TrustError
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
            with _reaching():
                self._targets.refresh()
                keys, self._asked_ms = self._targets.assignment_keys(), now_ms
            self._keys = keys
        return verify(signed, keys, device=device, now_ms=now_ms, least_ruleset=least_ruleset)

    def manifest(self, task: str, bundle: str) -> Manifest:
        """Return the manifest that the publishers of TASK signed."""
        with _reaching():
            self._targets.refresh()
            return self._targets.manifest(task, bundle)


@contextmanager
def _reaching() -> Iterator[None]:
    """Tell what could not be fetched, and is tried again, from what may not be believed."""
    try:
        yield
    except TrustError as error:
        if any(kind.__name__ == "DownloadError" for kind in type(_root(error)).__mro__):
            raise NetworkError(str(error)) from error
        raise


def _root(error: BaseException) -> BaseException:
    """Return what ERROR came of, as far as TUF's own errors go."""
    cause = error.__cause__
    return cause if cause is not None and type(cause).__module__.startswith("tuf.") else error
