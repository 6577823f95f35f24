"""The two versions of the task: the packaged model, and one that is plausible and worse.

The worse one looks back 180 days where the first does 90, and was trained on the wrong column
(`examples/make_worse.py`). Its examples pass and no call fails. Its model is a difference to the first one.
"""

from __future__ import annotations

import json
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from deploy.bundle.bundle import Bundle
from deploy.bundle.pack import pack
from deploy.wire.delta import apply_delta
from inference.manifest import MANIFEST, MODEL

TASK: Final = "retail-rank"
_TOML: Final = f'name = "{TASK}"\ndescription = "Rank the items of the next basket"\n'
_DELTA: Final = "model.delta"


def first(folder: Path) -> Bundle:
    """Return the bundle of the packaged model; FOLDER is made for its files."""
    with as_file(files("headrace.retail").joinpath("package")) as package:
        shutil.copytree(package, folder / "model")
    return _packed(folder)


def worse(folder: Path) -> Bundle:
    """Return the bundle of the worse one."""
    model = folder / "model"
    with as_file(files("headrace.retail").joinpath("worse")) as package:
        shutil.copytree(package, model)
    with as_file(files("headrace.retail").joinpath("package", MODEL)) as before:
        size = json.loads((model / MANIFEST).read_bytes())["files"][MODEL]["bytes"]
        content = apply_delta(before.read_bytes(), (model / _DELTA).read_bytes(), size)
    (model / MODEL).write_bytes(content)
    (model / _DELTA).unlink()
    return _packed(folder)


def _packed(folder: Path) -> Bundle:
    (folder / "task.toml").write_text(_TOML, "utf-8")
    return pack(folder).bundle
