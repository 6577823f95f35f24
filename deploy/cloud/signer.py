"""The online half of the TUF repository of a service's folder: it takes signed lists, and signs each day.

    FOLDER/tuf                    the repository, made by its ceremony (`headrace keys init`)
    FOLDER/keys/snapshot          the online keys, made with the folder; what they sign is no word about
    FOLDER/keys/timestamp         bundles, only about which lists are the newest ones

All that it knows is in these files: a process that starts signs what is due at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.errors import ServiceError
from deploy.trust import keys
from deploy.trust.roles import ROOT, SNAPSHOT, TIMESTAMP

if TYPE_CHECKING:
    from deploy.trust.lists import Find, Listed
    from deploy.trust.repository import Done, Repository

ONLINE: Final = (SNAPSHOT, TIMESTAMP)
SIGN_S: Final = 600.0  # between two looks at what is due


@dataclass(frozen=True, slots=True)
class _Time:
    """The service's clock, as a repository asks it."""

    clock: Callable[[], int]

    def now_ms(self) -> int:
        return self.clock()


class Signer:
    """The repository of FOLDER; any number of threads and processes may use it."""

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        self._folder, self._time = folder, _Time(clock)
        self.left: dict[str, str] = {}  # roles that are due and that nobody here can sign

    @property
    def is_there(self) -> bool:
        """Tell whether the ceremony was held."""
        return (self._folder / "tuf" / "metadata" / f"1.{ROOT}.json").is_file()

    def listed(self, task: str) -> Listed:
        """Return the list of TASK that is in force; raise ServiceError (409) where nobody signs for it."""
        return self._repository().listed(task)

    def take(self, task: str, content: bytes, find: Find) -> bool:
        """Take the signed list of TASK, and sign what names it; return whether it is new.

        Raises:
            TrustError: it is not the next one, signed by the task's keys, of bundles that FIND finds.
            ServiceError: the online keys are not those of the repository (503).
        """
        done = self._repository().take(task, content, self._held(), find)
        if left := [f"{role}: {why}" for role, why in done.left.items() if role in ONLINE]:
            raise ServiceError(
                f"{task}: expected online keys that sign what names the list, found {left[0]}; bring them",
                503,
            )
        return bool(done.lines)

    def refresh(self) -> Done | None:
        """Sign what is due and prune what is over; None before the ceremony. What else is due is `left`."""
        if not self.is_there:
            return None
        repository = self._repository()
        done = repository.refresh(self._held())
        repository.prune()
        self.left = dict(done.left)
        return done

    def _held(self) -> list[keys.Key]:
        files = (self._folder / "keys" / role for role in ONLINE)
        return [keys.read(file) for file in files if file.is_file()]

    def _repository(self) -> Repository:
        from deploy.trust.repository import Repository

        if not self.is_there:
            raise ServiceError(
                "trust: expected a repository, found none; hold its ceremony with headrace keys init", 409
            )
        return Repository(self._folder / "tuf", clock=self._time)
