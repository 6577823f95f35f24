"""What service and device say to each other has one form each; what is not of it is refused in one line."""

from __future__ import annotations

import msgspec
import pytest

from deploy.errors import WireError
from deploy.wire.assignment import SIGNED, Assigned, AssignmentManifest, SignedAssignment
from deploy.wire.check import Answer
from deploy.wire.report import MAX_REPORTS, Counts, Report, Reports
from inference.manifest import FileEntry

RANK = Assigned("rank-2", "b" * 64, "a" * 64)
SIGNED_ONE = SignedAssignment(AssignmentManifest(3, 1_000, {"rank": RANK}, ("ads",)), {"c" * 64: "d" * 128})
ONE = Report("0" * 32, "device", "rank", "rank-2", "alive", 5, "", Counts(runs=3, latency=(0, 3)))


@pytest.mark.parametrize("value", [SIGNED_ONE, Answer(SIGNED_ONE, 900), Reports((ONE,))])
def test_a_form_is_read_back(value: SignedAssignment | Answer | Reports) -> None:
    """Bytes of a form give the form again."""
    assert type(value).from_json(value.to_json()) == value


def test_a_signature_is_a_word_about_nothing_else() -> None:
    """What is signed begins with its purpose."""
    assert SIGNED_ONE.manifest.message == SIGNED + msgspec.json.encode(SIGNED_ONE.manifest, order="sorted")


def test_exclusive_files_are_of_one_device() -> None:
    """Nobody is given the files of another."""
    own = Assigned("rank-2", "b" * 64, "a" * 64, {"data/own": FileEntry(1, "e" * 64)})
    assert AssignmentManifest(1, 0, {"rank": own}, device="ann").device == "ann"
    with pytest.raises(WireError, match="exclusive files for one device"):
        AssignmentManifest(1, 0, {"rank": own})


@pytest.mark.parametrize(
    "change",
    [
        (b'"runs":3', b'"runs":-3'),
        (b'"state":"alive"', b'"state":"dead"'),
        (b'"runs":3', b'"runs":3,"runs":3'),
        (b'"format":1', b'"format":2'),
        (b'"format":1', b'"format":1,"more":1'),
        (b'"device":"device"', b'"device":""'),
        (b'"error":""', b'"error":"a\\nb"'),
    ],
)
def test_another_form_is_refused(change: tuple[bytes, bytes]) -> None:
    """A wrong value, a second word and an unknown one are refused."""
    content = Reports((ONE,)).to_json()
    assert change[0] in content
    with pytest.raises(WireError, match=r"^reports: expected") as refused:
        Reports.from_json(content.replace(*change))
    assert "\n" not in str(refused.value)


def test_a_batch_is_bounded() -> None:
    """Number and bytes of reports have an end."""
    with pytest.raises(WireError, match="reports: expected"):
        Reports.from_json(Reports((ONE,) * (MAX_REPORTS + 1)).to_json())
    with pytest.raises(WireError, match="at most 1048576 bytes"):
        Reports.from_json(b" " * (1 << 21))
