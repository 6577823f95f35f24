"""A GRAPH argument: `package.module:name`, `file.py:name`, `file.py` or a JSON file, turned into a graph.

A name stands for a Graph, or for a namespace of features (a class, a module, a mapping). Without a name the
module itself is the namespace, and the graph is called like its file. sys.path is afterwards what it was.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from featuregraph.errors import CompileError
from featuregraph.expr import Expr, Windows
from featuregraph.graph import Graph
from featuregraph.namespace import attributes
from featuregraph.place import Place, placed
from featuregraph.schema import Candidate, Event, Request
from featuregraph.shown import MAX_WORD

_FORMS = "give package.module:name, file.py:name or a JSON file"
_SUGGESTED = 5  # names in an advice
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def load_graph(argument: str) -> Graph:
    """Return the graph that ARGUMENT names.

    Raises:
        CompileError: there is no such file or name, or what it names is no graph or breaks a rule; one line.
    """
    source, name = _split(argument)
    if source.endswith(".py"):
        path = Path(source)
        return _from_namespace(_import_file(path), name, path.stem, Place(source, 1))
    if Path(source).is_file() or source.endswith(".json"):
        if name is not None:
            raise CompileError(
                f"{source}: expected one graph in a JSON file, found the name {name!r}; leave it out"
            )
        return _from_json(Path(source))
    if not _MODULE.fullmatch(source):
        raise CompileError(f"expected a graph, found {argument!r:.200}; {_FORMS}")
    module = _import_module(source)
    place = Place(getattr(module, "__file__", None) or source, 1)
    return _from_namespace(module, name, source.rpartition(".")[2], place)


def _split(argument: str) -> tuple[str, str | None]:
    """Return the file or module, and the name after the last colon, if what stands there is a name."""
    source, colon, name = argument.rpartition(":")
    return (source, name) if colon and _MODULE.fullmatch(name) else (argument, None)


def _from_json(path: Path) -> Graph:
    _check_file(path)
    try:
        return Graph.from_json(path.read_bytes())
    except CompileError as error:
        raise CompileError(f"{path}: {error}") from None


def _check_file(path: Path) -> None:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "none"
        raise CompileError(f"{path}: expected a file with a graph, found {found}; {_FORMS}")


# ---------------------------------------------------------------- from a module's names


def _from_namespace(module: ModuleType, name: str | None, file_name: str, place: Place) -> Graph:
    found: object = module
    for part in (name or "").split(".") if name else ():
        names = _names(found)
        if part not in names:
            raise CompileError(
                f"{place.file}: expected a name in it, found no {name!r}; {_advice(part, found)}"
            )
        found = names[part]
    if isinstance(found, Graph):
        return found
    if _declares(found):
        raise CompileError(
            f"{place.file}: expected a graph or features in {name!r}, found the fields that it declares;"
            f" {_advice(str(name), module)}"
        )
    if not _has_features(found):
        return _only_graph(found, name, place)
    with placed(place):
        return Graph(name.rpartition(".")[2] if name else file_name, found)


def _only_graph(found: object, name: str | None, place: Place) -> Graph:
    """Return the one graph in a namespace without features of its own."""
    graphs = {key: value for key, value in _public(found).items() if isinstance(value, Graph)}
    if len(set(map(id, graphs.values()))) == 1:
        return next(iter(graphs.values()))
    what = f"{name!r}" if name else "its names"
    if graphs:
        raise CompileError(
            f"{place.file}: expected one graph in {what}, found {', '.join(graphs)}; name one as FILE:NAME"
        )
    raise CompileError(
        f"{place.file}: expected a graph or features in {what}, found {_kind(found)};"
        " name a Graph, a class or a module"
    )


def _has_features(found: object) -> bool:
    return not _declares(found) and any(
        isinstance(value, Expr | Windows) for value in _public(found).values()
    )


def _declares(found: object) -> bool:
    """Tell whether FOUND is a class of fields: of an event, of a request or of a candidate."""
    return isinstance(found, type) and issubclass(found, Event | Request | Candidate)


def _advice(name: str, namespace: object) -> str:
    """Return the advice that lists the graphs and the namespaces of features in NAMESPACE, nearest first."""
    usable = [
        key for key, value in _public(namespace).items() if isinstance(value, Graph) or _has_features(value)
    ]
    near = difflib.get_close_matches(name[:MAX_WORD], usable, _SUGGESTED, cutoff=0)
    return f"did you mean {', '.join(map(repr, near))}?" if near else "it has no graph and no features"


def _names(namespace: object) -> dict[str, object]:
    return {name: value for name, value in attributes(namespace).items() if not name.startswith("__")}


def _public(namespace: object) -> dict[str, object]:
    return {name: value for name, value in _names(namespace).items() if not name.startswith("_")}


def _kind(found: object) -> str:
    return "none" if isinstance(found, ModuleType | type | Mapping) else f"{type(found).__name__}"


# ---------------------------------------------------------------- importing what a user wrote


def _import_file(path: Path) -> ModuleType:
    _check_file(path)
    folder = str(path.resolve().parent)
    name = f"_graph_file_{path.stem}"  # of its own: the file may be called like an installed module
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    with _importing(str(path), folder):
        sys.modules[name] = module  # dataclasses and others look a class's module up
        try:
            spec.loader.exec_module(module)
        finally:
            _forget_modules(before, folder)
    return module


def _import_module(name: str) -> ModuleType:
    with _importing(name, str(Path.cwd())):
        return importlib.import_module(name)


@contextmanager
def _importing(what: str, folder: str) -> Iterator[None]:
    """Let modules of FOLDER be imported; turn whatever a user's file raises into one line with its place."""
    path = list(sys.path)
    sys.path.insert(0, folder)
    try:
        yield
    except CompileError:
        raise
    except Exception as error:  # a file can raise anything
        raise CompileError(_failure(what, error)) from error
    finally:
        sys.path[:] = path


def _failure(what: str, error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{what}.".startswith(f"{error.name}."):
        return f"expected a module {what}, found none; {_FORMS}, from the folder that holds the package"
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: expected Python, found {error.msg}; correct it"
    files = [f for f in traceback.extract_tb(error.__traceback__) if not _is_ours(f.filename)]
    where = f"{files[-1].filename}:{files[-1].lineno}" if files else what
    said = " ".join(str(error).split())
    return f"{where}: expected a module that imports, found {type(error).__name__}: {said}; correct it"


def _is_ours(file: str) -> bool:
    return file == __file__ or file.startswith("<frozen importlib")


def _forget_modules(before: set[str], folder: str) -> None:
    """Drop the modules of FOLDER that are new: another folder may have others of the same names."""
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file and os.path.dirname(os.path.abspath(file)) == folder:  # noqa: PTH100, PTH120 - one string against many
            del sys.modules[name]
