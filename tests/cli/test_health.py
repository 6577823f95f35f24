"""The doctor's judgements, each given the facts of a machine that is ill in one way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace import cli, health
from headrace.health import Verdict

pytestmark = pytest.mark.device


@pytest.mark.parametrize(
    ("version", "max_int", "verdict"),
    [
        ((3, 11, 0), 2**63 - 1, Verdict.OK),
        ((3, 10, 9), 2**63 - 1, Verdict.FAIL),
        ((3, 12, 1), 2**31 - 1, Verdict.FAIL),
    ],
)
def test_python_must_be_new_and_64_bit(version: tuple[int, ...], max_int: int, verdict: Verdict) -> None:
    """Python is well from 3.11 on and only where indices have 64 bits."""
    assert health.python(version, max_int).verdict is verdict


@pytest.mark.parametrize(
    ("version", "limits", "met"),
    [
        ("2.4.6", ">=2.0", True),
        ("2.0", ">=2.0.0", True),
        ("1.26.4", ">=2.0", False),
        ("0.16.0", "<0.16,>=0.15.3", False),
        ("0.15.3", "<0.16,>=0.15.3", True),
        ("2.13.0+cpu", ">=2.13", True),
        ("2025.1", "", True),
    ],
)
def test_a_version_lies_in_its_limits_or_not(version: str, limits: str, met: bool) -> None:
    """Versions compare number by number; a missing number is a zero."""
    assert health.within(version, limits) is met


def test_a_package_that_is_not_there_names_the_install_command() -> None:
    """A package of the base install that is missing fails and says how to get it."""
    check = health.package("headrace-needs-no-such-thing", ">=1")
    assert check.verdict is Verdict.FAIL
    assert "pip install" in check.mend


def test_a_package_outside_its_limits_fails() -> None:
    """A package that is older than we ask for fails although it imports."""
    check = health.package("numpy", ">=9999")
    assert check.verdict is Verdict.FAIL
    assert "expected >=9999" in check.found


@pytest.mark.parametrize("parts", ["", "[standard]", "[a, b]"])
def test_an_absent_extra_is_no_fault(parts: str) -> None:
    """An extra that is not installed is named with its command and fails nothing."""
    requires = [f"headrace-needs-no-such-thing{parts}>=1; extra == 'replay'"]
    assert list(health.packages(requires)) == []
    (check,) = health.extras(requires)
    assert check.verdict is Verdict.ABSENT
    assert check.mend == "pip install 'headrace[replay]'"
    assert not health.failed([check])


def test_a_second_owner_of_a_name_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another distribution that also brings a top-level name of ours is named, with the way out."""
    monkeypatch.setattr(health, "PACKAGES", ("stream",))
    (check,) = health.names({"stream": ["headrace", "stream-tools"], "rich": ["rich"]})
    assert check.verdict is Verdict.FAIL
    assert "stream-tools" in check.found
    assert "pip uninstall stream-tools" in check.mend


def test_a_file_that_hides_a_package_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of our name earlier on the import path is found although no distribution owns it."""
    monkeypatch.setattr(health, "PACKAGES", ("deploy", "hidden_by_a_file"))
    (tmp_path / "hidden_by_a_file.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (check,) = health.names({})
    assert check.verdict is Verdict.FAIL
    assert "hidden_by_a_file.py" in check.found


@pytest.mark.parametrize(
    ("year", "resolution_s", "verdict"),
    [
        (2026, 1e-6, Verdict.OK),
        (1970, 1e-6, Verdict.FAIL),
        (2150, 1e-6, Verdict.FAIL),
        (2026, 0.0156, Verdict.WARN),
    ],
)
def test_the_clock_must_be_set_and_tick(year: int, resolution_s: float, verdict: Verdict) -> None:
    """A clock that was never set fails; one that ticks slower than a millisecond is a warning."""
    assert health.clock(datetime(year, 6, 1, tzinfo=UTC), resolution_s).verdict is verdict


@pytest.mark.parametrize(
    ("free", "verdict"), [(1 << 30, Verdict.OK), (64 << 20, Verdict.WARN), (0, Verdict.FAIL)]
)
def test_room_on_the_disk(free: int, verdict: Verdict) -> None:
    """Little room is a warning, none is a fault."""
    assert health.space(free).verdict is verdict


def test_an_old_sqlite_fails(tmp_path: Path) -> None:
    """SQLite before STRICT tables cannot hold a log."""
    assert health.sqlite(tmp_path / "a.db", (3, 31, 1)).verdict is Verdict.FAIL


def test_a_folder_without_a_database_file_fails(tmp_path: Path) -> None:
    """A place where SQLite cannot open a file is a fault of the place, said with SQLite's own words."""
    check = health.sqlite(tmp_path / "missing" / "a.db", (3, 45, 0))
    assert check.verdict is Verdict.FAIL
    assert "unable to open" in check.found


def test_a_failed_check_is_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`headrace doctor` ends with 1 when something is wrong, and says how to mend it."""
    monkeypatch.setattr(health, "DISK_FAIL", 1 << 62)
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "fail: free space: free some" in out
    assert "nothing is wrong" not in out


def test_the_doctor_leaves_nothing_behind(tmp_path: Path) -> None:
    """The folder that was examined is as empty as before."""
    cli.main(["doctor", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
