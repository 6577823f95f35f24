"""The check: a device asks what it should run, and when to ask again.

GET /v1/check
Authorization: Bearer TOKEN           the fleet's, not the device's: no row is read for it
X-Headrace-Device: ID
X-Headrace-Profile: {"os":"ios"}      facts in one line of ASCII JSON
X-Headrace-Graphs: ID,ID              only where a device can not install graphs: those that it can run
If-None-Match: ETAG

200  ETag, body: Answer    304    401    429, 503 with Retry-After

That something changed is hinted, on a line held open or on the answers of the app's own service, never said:

GET /v1/hints                         event: hint, data: {"ruleset":N,"jitter_s":S}
X-Headrace-Ruleset: N                 a device's, to its app's service: the ruleset of its last answer
X-Headrace-Hint: N;jitter=S           the answer's, where a newer one is in force: check within S seconds
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from deploy import canonical
from deploy.errors import WireError
from deploy.wire.assignment import MAX_ASSIGNMENT, SignedAssignment

CHECK: Final = "/v1/check"
REPORTS: Final = "/v1/reports"
HINTS: Final = "/v1/hints"
METADATA: Final = "/v1/tuf/metadata/"
TARGETS: Final = "/v1/tuf/targets/"
BLOBS: Final = "/v1/blobs/"  # + SHA256, with Range
DELTAS: Final = "/v1/deltas/"  # + SHA256 of the old content + "/" + SHA256 of the new one

DEVICE: Final = "x-headrace-device"
PROFILE: Final = "x-headrace-profile"
GRAPHS: Final = "x-headrace-graphs"
RULESET: Final = "x-headrace-ruleset"
HINT: Final = "x-headrace-hint"
MAX_PROFILE: Final = 4 << 10  # bytes of the header


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What the service says to one check."""

    assignment: SignedAssignment
    poll_s: Annotated[int, Meta(ge=1, le=7 * 86_400)]  # ask again after about this many seconds

    def to_json(self) -> bytes:
        """Return the canonical JSON."""
        return canonical.encode(self)

    @staticmethod
    def from_json(content: bytes) -> Answer:
        """Return the answer in CONTENT; raise WireError if it is none."""
        most = MAX_ASSIGNMENT + 1_024
        return canonical.decode(content, Answer, "check", most, WireError, "ask the service again")
