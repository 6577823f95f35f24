"""What happens to a device (events), and what it is to do about it (actions). Pure data.

Each of Check, Fetch, Prove and Send is answered by one event, at once or later; none is asked twice.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from deploy.device.kept import Kept
from deploy.wire.assignment import Assigned, AssignmentManifest
from deploy.wire.report import State as Told

# network: nothing can be said of the release; tried again, silently.
# refused: this device does not take it now (no room, not vouched for, by policy); told once, tried again.
# bad: verified bytes do not work here; told, and never tried again.
Fault = Literal["network", "refused", "bad"]

# ---------------------------------------------------------------- events


class Started(Struct, frozen=True):
    """The process began; the one before ended within the runs or proofs of DIED, by their marks."""

    died: frozenset[str] = frozenset()


class Woke(Struct, frozen=True):
    """It is `due_ms`, or later."""


class Answered(Struct, frozen=True):
    """A check was answered by a manifest that is believed."""

    manifest: AssignmentManifest
    left_ms: int  # until nobody begins anything by it
    poll_s: int
    etag: str = ""


class Unchanged(Struct, frozen=True):
    """A check was answered: all is as before."""


class Unanswered(Struct, frozen=True):
    """A check failed, or its answer is not believed."""

    error: str = ""
    retry_after_s: int = 0


class Hinted(Struct, frozen=True):
    """The service says that something changed: check within so many seconds."""

    jitter_s: int = 0


class Network(Struct, frozen=True):
    """How the device is connected from now on."""

    online: bool = True
    metered: bool = False


class Fetched(Struct, frozen=True):
    """All bytes of WANTED are on the disk, and vouched for."""

    task: str
    wanted: Assigned


class Proved(Struct, frozen=True):
    """The golden examples of WANTED passed."""

    task: str
    wanted: Assigned


class Failed(Struct, frozen=True):
    """WANTED could not be fetched, proved or run."""

    task: str
    wanted: Assigned
    fault: Fault
    error: str


class Quiet(Struct, frozen=True):
    """Nobody waits for an answer: a moment to exchange what runs."""


class Counted(Struct, frozen=True):
    """What the active RELEASE of TASK did in this process so far."""

    task: str
    release: str
    runs: int
    failures: int
    error: str = ""  # of the last failure


class Sent(Struct, frozen=True):
    """Reports were taken by the service; MORE wait."""

    more: bool = False


class Unsent(Struct, frozen=True):
    """Reports were not taken."""

    retry_after_s: int = 0


class Unsaved(Struct, frozen=True):
    """What EVENT led to could not be saved, so that it did not happen."""

    event: Event
    error: str


Event = (
    Started
    | Woke
    | Answered
    | Unchanged
    | Unanswered
    | Hinted
    | Network
    | Fetched
    | Proved
    | Failed
    | Quiet
    | Counted
    | Sent
    | Unsent
    | Unsaved
)

# ---------------------------------------------------------------- actions


class Save(Struct, frozen=True):
    """Have KEPT on the disk before anything else of this step is done."""

    kept: Kept


class Check(Struct, frozen=True):
    """Ask the service."""

    etag: str = ""


class Fetch(Struct, frozen=True):
    """Get what WANTED lacks; HELD: what may have some of it, for deltas."""

    task: str
    wanted: Assigned
    held: tuple[Assigned, ...] = ()


class Prove(Struct, frozen=True):
    """Run the golden examples of WANTED."""

    task: str
    wanted: Assigned


class Run(Struct, frozen=True):
    """Let TASK run WHAT from now on; None: what the app has built in."""

    task: str
    what: Assigned | None


class Report(Struct, frozen=True):
    """Tell the service of a release, some time."""

    task: str
    release: str
    state: Told
    error: str = ""


class Send(Struct, frozen=True):
    """Send the reports that wait."""


Action = Save | Check | Fetch | Prove | Run | Report | Send
