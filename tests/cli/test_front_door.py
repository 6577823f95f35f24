"""The front door: the table, the help, the exit codes and the one line of every error."""

from __future__ import annotations

import importlib
import json
import sqlite3
import subprocess
import sys
import types
from collections.abc import Callable

import pytest

import headrace
from headrace import cli, commands
from headrace.commands import COMMANDS, Command
from headrace.errors import UsageError

pytestmark = pytest.mark.device

Give = Callable[[Callable[..., object] | str], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Replace the table by one command, `do`, which calls a function or names a target."""

    def put(what: Callable[..., object] | str) -> None:
        target = what if isinstance(what, str) else "made_for_a_test:do"
        module = types.ModuleType("made_for_a_test")
        module.do = what  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "made_for_a_test", module)
        rows = (Command(("do",), target, "Do it.", "Test"), Command(("other",), "nowhere:x", "Rest.", "Test"))
        for home in (cli, commands):
            monkeypatch.setattr(home, "COMMANDS", rows)

    return put


def raising(error: BaseException) -> Callable[[], None]:
    """Return a command that raises ERROR."""

    def do() -> None:
        raise error

    return do


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: "-".join(row.words))
def test_every_row_leads_to_a_function_that_says_the_same(row: Command) -> None:
    """The row's function exists and its docstring opens with the help that the table shows."""
    module, _, name = row.target.partition(":")
    function = getattr(importlib.import_module(module), name)
    assert (function.__doc__ or "").splitlines()[0] == row.help


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: "-".join(row.words))
def test_every_command_has_help(row: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """`headrace COMMAND --help` builds the real command and describes it."""
    assert cli.main([*row.words, "--help"]) == 0
    assert " ".join(("headrace", *row.words)) in capsys.readouterr().out


def test_help_lists_every_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`headrace`, and each word that only groups others, list their commands with the table's help."""
    monkeypatch.setenv("COLUMNS", "80")
    for group in {row.words[:-1] for row in COMMANDS}:
        assert cli.main(list(group)) == 0
        out = capsys.readouterr().out
        rows = [row for row in COMMANDS if row.words[:-1] == group]
        assert [row.words for row in rows if row.words[-1] not in out or row.help not in out] == []


def test_a_missing_module_does_not_break_the_help(give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    """Help shows a command whose module is not there; calling it says so in one line."""
    give("headrace.not_there:command")
    assert cli.main(["--help"]) == 0
    assert "Do it." in capsys.readouterr().out
    assert cli.main(["do"]) == 2
    assert_one_line(capsys, "expected the module headrace.not_there, found none")


def test_a_missing_function_is_one_line(give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    """A row whose module lacks the function is reported, not crashed on."""
    give("headrace.errors:not_there")
    assert cli.main(["do"]) == 2
    assert_one_line(capsys, "expected not_there in headrace.errors, found none")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`headrace --version` prints name and version."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"headrace {headrace.__version__}\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["doctr"], "No such command 'doctr', did you mean 'doctor'; see --help\n"),
        (["doctor", "--jsn"], "--jsn"),
        (["log", "nothing"], "No such command 'nothing'; see --help\n"),
        (["why"], "Missing argument 'EVENTS'; see --help\n"),
        (["why", "e.csv"], "Missing option '--graph' / '-g'; see --help\n"),
        (["bench", "device", "--requests", "x"], "; see --help\n"),
        (["doctor", "a", "b"], "unexpected extra argument"),
        (["doctor", "no/such/folder"], "expected a folder, found none"),
    ],
)
def test_bad_usage_is_one_line_and_code_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be understood is said in one line on standard error; standard output stays empty."""
    assert cli.main(args) == 2
    assert_one_line(capsys, said)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("expected a graph,\n found none; name one"), 2, "expected a graph, found none; name one"),
        (
            FileNotFoundError(2, "No such file or directory", "a.db"),
            2,
            "expected a file or folder, found none: a.db",
        ),
        (OSError(28, "No space left on device", "a.db"), 2, "expected room on the disk, found none: a.db"),
        (OSError(5, "Input/output error"), 2, "Input/output error; headrace doctor"),
        (sqlite3.DatabaseError("file is not a database"), 2, "file is not a database"),
        (
            ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"),
            2,
            "pip install 'headrace[replay]'",
        ),
        (ModuleNotFoundError("No module named 'numpy'", name="numpy.core"), 2, "expected the package numpy"),
        (KeyError("x"), 70, "fault in headrace: KeyError: 'x' at"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_an_error_becomes_one_line_and_a_code(
    give: Give, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    """Our errors and the system's are bad input; anything else is our own fault and says so."""
    give(raising(error))
    assert cli.main(["do"]) == code
    assert_one_line(capsys, said)


@pytest.mark.parametrize("args", [["--debug", "do"], ["do", "--debug"]])
def test_debug_shows_the_traceback(give: Give, capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    """`--debug` may stand anywhere; the code stays the same and the traceback comes first."""
    give(raising(UsageError("expected x, found y")))
    assert cli.main(args) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("headrace: expected x, found y\n")


def test_a_value_that_looks_like_a_command_is_an_argument(give: Give) -> None:
    """Only the leading words name the command; those after it are its arguments."""
    seen: list[str] = []

    def do(word: str) -> None:
        seen.append(word)

    give(do)
    assert cli.main(["do", "other"]) == 0
    assert seen == ["other"]


def test_doctor_passes_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Where these tests run nothing fails, and `--json` gives one document with every check."""
    assert cli.main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    names = {check["name"] for check in said["checks"]}
    assert {
        "python",
        "sqlite",
        "numpy",
        "onnxruntime",
        "tzdata",
        "clock",
        "free space",
        "top-level names",
    } <= names


def test_python_m_headrace_is_the_same_door() -> None:
    """`python -m headrace` hands its exit code to the shell."""
    run = subprocess.run(
        [sys.executable, "-m", "headrace", "nothing"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("headrace: ")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    """`headrace --help | head -0` ends in silence."""
    door = subprocess.Popen(
        [sys.executable, "-m", "headrace", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert door.stdout is not None
    assert door.stderr is not None
    door.stdout.close()
    err = door.stderr.read()
    door.stderr.close()
    assert (door.wait(), err) == (0, b"")


def assert_one_line(capsys: pytest.CaptureFixture[str], said: str) -> None:
    """Assert that SAID stands in the only line of standard error; that there is none if SAID is empty."""
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == (1 if said else 0)
