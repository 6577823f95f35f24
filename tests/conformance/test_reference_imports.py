"""The reference stands alone: it shares no code with what it judges."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import featuregraph.reference

pytestmark = pytest.mark.device

FILES = sorted(Path(next(iter(featuregraph.reference.__path__))).glob("*.py"))
# What a graph is made of, how errors look, and the kernel that SEMANTICS 5.5 makes one for all executors.
SHARED = {
    "featuregraph.errors",
    "featuregraph.ir",
    "featuregraph.scalar.transcendental",
    "featuregraph.shown",
    "featuregraph.types",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_reference_imports_only_the_standard_library_and_what_is_shared(path: Path) -> None:
    """At module level a file imports the standard library, itself, nodes, types, errors and one kernel."""
    for name in _imports(path):
        assert _is_allowed(name), f"{path.name} imports {name}"


# Bare packages stand for featuregraph and featuregraph.scalar: what their own words import does not count.
LOAD = """
import importlib.util, sys, types
root = importlib.util.find_spec("featuregraph").submodule_search_locations[0]
for name, folder in (("featuregraph", root), ("featuregraph.scalar", root + "/scalar")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
before = set(sys.modules)
import featuregraph.reference
print(*sorted(set(sys.modules) - before))
"""


def test_importing_the_reference_loads_nothing_else() -> None:
    """In a fresh interpreter it brings in the standard library, itself and what is shared, no more."""
    run = subprocess.run([sys.executable, "-c", LOAD], check=True, capture_output=True, text=True)
    for name in run.stdout.split():
        assert _is_allowed(name), name


def _is_allowed(name: str) -> bool:
    standard = name.split(".", maxsplit=1)[0] in sys.stdlib_module_names or name.startswith("_sysconfigdata")
    return standard or name in SHARED or name.startswith("featuregraph.reference")


def _imports(path: Path) -> set[str]:
    """Return what a file imports at once: not inside functions, not for type checkers only."""
    names: set[str] = set()
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Import):
            names |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0
            module = statement.module or ""
            deeper = {f"{module}.{alias.name}" for alias in statement.names}
            names |= deeper if deeper & SHARED or module == "featuregraph.reference" else {module}
    return names
