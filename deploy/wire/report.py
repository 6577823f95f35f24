"""What a device tells of its releases: states as they are reached, and what it counted since the last report.

POST /v1/reports    body: Reports    202, and each report is kept before the answer; 400, 401, 413, 429

A report has an id of its own: one that is sent twice counts once.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical
from deploy.cohort import Device
from deploy.errors import WireError
from deploy.rollout import ReleaseId
from deploy.task.manifest import Line, TaskName
from deploy.wire.assignment import Moment

FORMAT: Final = 1
MAX_REPORTS: Final = 1_000
MAX_BODY: Final = 1 << 20  # bytes
LATENCY_BINS: Final = 64  # bin i holds [2^(i/4), 2^((i+1)/4)) microseconds, the last one all above
MAX_COUNTERS: Final = 32
MAX_DRIFT: Final = 512  # features
MAX_DRIFT_BINS: Final = 32

State = Literal["installed", "active", "failed", "rolled_back", "alive"]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]
CounterName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
FeatureName = Annotated[str, Meta(min_length=1, max_length=256)]
Bins = Annotated[tuple[Count, ...], Meta(max_length=MAX_DRIFT_BINS)]


class Counts(Struct, frozen=True, forbid_unknown_fields=True):
    """What was counted of one release since the report before."""

    runs: Count = 0
    failures: Count = 0  # runs that raised or gave no answer
    crashes: Count = 0  # ends of the process without a word
    latency: Annotated[tuple[Count, ...], Meta(max_length=LATENCY_BINS)] = ()  # of runs, by bin
    counters: Annotated[dict[CounterName, Count], Meta(max_length=MAX_COUNTERS)] = {}  # such as clicked
    drift: Annotated[dict[FeatureName, Bins], Meta(max_length=MAX_DRIFT)] = {}  # values by the bundle's bins


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """One device, one release, one state."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    device: Device
    task: TaskName
    release: ReleaseId
    state: State
    at_ms: Moment  # by the device's clock
    error: Line = ""  # of a failure
    counts: Counts = Counts()


class Reports(Struct, frozen=True, forbid_unknown_fields=True):
    """A batch of reports."""

    reports: Annotated[tuple[Report, ...], Meta(max_length=MAX_REPORTS)]
    format: Literal[1] = FORMAT

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> Reports:
        """Return the reports in CONTENT; raise WireError if they are none."""
        return canonical.decode(content, Reports, "reports", MAX_BODY, WireError, "correct the batch")
