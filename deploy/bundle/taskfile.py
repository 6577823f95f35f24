"""`task.toml`: what a publisher writes beside the model package.

name = "retail-rank"
description = "Rank the items of a basket"
graph = "../shop.py:shop"          # optional: refuse where its meaning left the model's
memory = "2MiB"                    # optional: of the engine's states

[scripts."rerank.py"]              # each script of scripts/, with the features that it reads
reads = ["ticket", "top_cats"]

[exclusive."taste.bin"]            # files of data/ that each device or user has for itself
most = "64KiB"
required = false
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from deploy import limits
from deploy.bundle.streams import read_small
from deploy.errors import TaskError
from deploy.task.manifest import Line, TaskName
from featuregraph.shown import bounded
from stream.errors import ArgumentError
from stream.sizes import parse_size

TASK_FILE: Final = "task.toml"

Names = Annotated[tuple[str, ...], Meta(max_length=limits.MAX_FILES)]


class ScriptWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The features that a script reads."""

    reads: Names = ()


class SlotWords(Struct, frozen=True, forbid_unknown_fields=True):
    """How large an exclusive file may be, and whether the task starts without it."""

    most: str | int
    required: bool = False


class TaskFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A task in its publisher's words."""

    name: TaskName
    description: Line = ""
    graph: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    memory: str | int | None = None
    scripts: dict[str, ScriptWords] = {}
    exclusive: dict[str, SlotWords] = {}


def read_task_file(folder: Path) -> TaskFile:
    """Return the words of FOLDER's task.toml; raise TaskError if they are none."""
    content = read_small(folder / TASK_FILE, TASK_FILE, limits.MAX_TASK_FILE)
    try:
        words = msgspec.convert(tomllib.loads(content.decode()), TaskFile)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TaskError(
            bounded(f"{TASK_FILE}: expected the words of a task, found: {error}; correct it")
        ) from error
    return words


def size(words: str | int, where: str, most: int) -> int:
    """Return the size WORDS in bytes; raise TaskError if it is none or above MOST."""
    try:
        found = parse_size(words)
    except ArgumentError as error:
        raise TaskError(bounded(f"{TASK_FILE}: {where}: {error}")) from error
    if not 0 < found <= most:
        raise TaskError(f"{TASK_FILE}: {where}: expected 1 to {most} bytes, found {found}; correct it")
    return found
