"""An assignment manifest: what a device should run, by the service's word, signed.

It is the second of two words that a device needs: it names releases and bundles, and a bundle must also be
one that its publishers vouch for (`deploy.trust`). As in Uptane, section 5.4: the director says what for
whom, the image repository says what is genuine.

One manifest serves every device with the same answer, and is signed once; only a device with files of its
own is named in it. The signature covers `SIGNED` and the canonical JSON: it is a word about nothing else.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from deploy import canonical
from deploy.cohort import Device
from deploy.errors import WireError
from deploy.rollout import MAX_RELEASES, ReleaseId
from deploy.task.manifest import FileName, TaskName
from inference.contract import Sha256
from inference.manifest import FileEntry

FORMAT: Final = 1
SIGNED: Final = b"headrace assignment 1\n"  # what stands before the JSON under a signature
MAX_ASSIGNMENT: Final = 4 << 20  # bytes
MAX_SIGNATURES: Final = 16

KeyId = Sha256
Signature = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")]  # Ed25519, RFC 8032
Moment = Annotated[int, Meta(ge=0, le=1 << 53)]  # milliseconds since 1970


class Assigned(Struct, frozen=True, forbid_unknown_fields=True):
    """What to run of one task."""

    release: ReleaseId
    bundle: Sha256
    graph_id: Sha256
    exclusive: dict[FileName, FileEntry] = {}  # the device's own files, by their slot


class AssignmentManifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What to run of each task, and which tasks to stop."""

    ruleset: Annotated[int, Meta(ge=1, le=1 << 53)]  # its version: on a device it never goes back
    until_ms: Moment  # nobody begins anything by it afterwards; what runs goes on
    tasks: Annotated[dict[TaskName, Assigned], Meta(max_length=MAX_RELEASES)] = {}
    halted: Annotated[tuple[TaskName, ...], Meta(max_length=MAX_RELEASES)] = ()
    device: Device | None = None  # whose exclusive files these are; None: anyone's manifest
    format: Literal[1] = FORMAT

    def __post_init__(self) -> None:
        if self.device is None and (own := [n for n, task in self.tasks.items() if task.exclusive]):
            found = f"found {own[0]!r} for any; name the device"
            raise WireError(f"assignment: expected exclusive files for one device, {found}")

    @property
    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return SIGNED + canonical.encode(self)


class SignedAssignment(Struct, frozen=True, forbid_unknown_fields=True):
    """An assignment manifest with signatures by the ids of their keys."""

    manifest: AssignmentManifest
    signatures: Annotated[dict[KeyId, Signature], Meta(max_length=MAX_SIGNATURES)]

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> SignedAssignment:
        """Return the signed assignment in CONTENT, unverified; raise WireError if it is none."""
        step = "ask the service again"
        return canonical.decode(content, SignedAssignment, "assignment", MAX_ASSIGNMENT, WireError, step)
