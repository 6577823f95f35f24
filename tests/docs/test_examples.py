"""The README and the documents: every Python block runs, and the values beside its lines are true."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.commands import COMMANDS

pytestmark = pytest.mark.checkout

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run in order in one namespace; `expression  # value` gives that value."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page.stem}
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        first_line = text.count("\n", 0, block.start(1))
        run("\n" * first_line + block[1], page, namespace)


def run(code: str, page: Path, namespace: dict[str, object]) -> None:
    """Execute CODE statement by statement; compare an expression with the remark that ends its line."""
    lines = code.splitlines()
    for statement in ast.parse(code, str(page)).body:
        said = lines[(statement.end_lineno or 0) - 1].partition("  # ")[2]
        if isinstance(statement, ast.Expr) and said:
            value = eval(compile(ast.Expression(statement.value), str(page), "eval"), namespace)  # noqa: S307
            assert repr(value) == said, f"{page.name}:{statement.lineno}"
        else:
            exec(compile(ast.Module([statement], []), str(page), "exec"), namespace)  # noqa: S102


def test_the_readme_run_twice_doubles_nothing(tmp_path: Path) -> None:
    """Whoever runs the first example again sees the same spend: its events carry ids."""
    blocks = BLOCK.findall((TOP / "README.md").read_text(encoding="utf-8"))
    code = "".join(blocks) + "\nprint(features['spend_30d'], features['buys_30d'], features['affinity'])\n"
    call = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONPATH": str(TOP)}
    for _ in range(2):
        ran = subprocess.run(call, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert ran.stdout == "9.900 1 [1, 0]\n"


def test_every_command_is_documented() -> None:
    """The command line's page lists every row of the table, in its order and with its help."""
    page = (TOP / "docs/reference/command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `headrace ([a-z -]+)` \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(" ".join(row.words), row.help) for row in COMMANDS]
