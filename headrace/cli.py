"""The command line: find the row, import its module, run it, and turn whatever happens into an exit code.

1. `--debug` may stand anywhere; it only asks for tracebacks.
2. The leading words are looked up in the table; only that row's module is imported.
3. A Typer application is built from all rows: the called one for real, the others by their line of help.
4. An error becomes one line on standard error. Exit codes: 0 ok, 1 a check failed, 2 bad usage or input,
   70 a fault in headrace itself, 130 interrupted.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from headrace import __version__
from headrace.commands import COMMANDS, GROUPS, Command, find
from headrace.errors import INTERRUPTED, OK, UsageError, describe

_HELP = ["-h", "--help"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line on ARGV (default: the process's own) and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args
    try:
        return run([arg for arg in args if arg != "--debug"])
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        return OK  # Typer's way to say that the reader has seen enough; every other end is a return value
    except Exception as error:  # noqa: BLE001 - the last place where an error can become one line
        if debug:
            traceback.print_exception(error)
        line, code = describe(error)
        sys.stderr.write(f"headrace: {line}\n")
        return code
    finally:
        _let_go_of_stdout()


def run(args: list[str]) -> int:
    """Run ARGS; return the exit code that the command asked for, raise what it raised."""
    words = tuple(itertools.takewhile(lambda arg: not arg.startswith("-"), args))
    row = find(words)
    if row is None and len(words) == len(args) and (not words or words in {(group,) for group in GROUPS}):
        args = [*args, "--help"]
    command = typer.main.get_command(build(row))
    _dress(command)
    code = command.main(args=args, prog_name="headrace", standalone_mode=False)
    return code if isinstance(code, int) else OK


def build(called: Command | None = None) -> typer.Typer:
    """Return the application; CALLED's function is imported, the other rows only hold their help."""
    app = _application()
    app.callback()(_front_door)
    panels = {row.words[0]: row.panel for row in COMMANDS if len(row.words) > 1}
    groups = {word: _application(help=GROUPS[word]) for word in panels}
    for row in COMMANDS:
        home = app if len(row.words) == 1 else groups[row.words[0]]
        if row is called:
            function = load(row)
            home.command(row.words[-1], help=_flowing(function.__doc__), rich_help_panel=row.panel)(function)
        else:
            home.command(row.words[-1], help=row.help, rich_help_panel=row.panel)(_not_called)
    for word, group in groups.items():
        app.add_typer(group, name=word, rich_help_panel=panels[word])
    return app


def load(row: Command) -> Callable[..., object]:
    """Import the function of ROW; raise ModuleNotFoundError or UsageError when it is not there."""
    module, _, function = row.target.partition(":")
    found: Callable[..., object] | None = getattr(importlib.import_module(module), function, None)
    if found is None:
        raise UsageError(f"expected {function} in {module}, found none; this is not whole: install it again")
    return found


def _application(help: str = "") -> typer.Typer:
    return typer.Typer(
        help=help or _front_door.__doc__,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": _HELP},
    )


def _flowing(text: str | None) -> str:
    """Return TEXT with each paragraph on one line: a terminal's edge is not that of the source."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def _dress(command: Any) -> None:
    """Let the help write arguments in capitals, and flags without a type."""
    asks_for_help = command.get_help_option(typer.Context(command, help_option_names=_HELP))
    for param in (*command.params, asks_for_help):
        if param.metavar is None and getattr(param, "is_flag", False):
            param.metavar = ""
        elif param.metavar is None and param.param_type_name == "argument":
            param.metavar = param.name.upper()
    for inner in getattr(command, "commands", {}).values():
        _dress(inner)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"headrace {__version__}\n")
        raise typer.Exit


def _front_door(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Turn app events into model features where they happen, exactly."""


def _not_called() -> None:
    """Stand in the help for a command whose module is not imported."""


def _let_go_of_stdout() -> None:
    # A reader that has gone away must not make the interpreter complain while it shuts down.
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
