"""From a task's folder to a bundle that its own golden examples have proved.

task.toml -> files -> graph and model package -> manifest -> policy -> fit -> golden examples -> card
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import limits
from deploy.bundle.bundle import Bundle
from deploy.bundle.folder import Folder, read_folder
from deploy.bundle.proof import Proof, graph_of, package_of, prove
from deploy.bundle.streams import read_small
from deploy.bundle.taskfile import TASK_FILE, ScriptWords, TaskFile, read_task_file, size
from deploy.errors import BundleError, TaskError
from deploy.task import fit
from deploy.task.manifest import (
    DATA,
    GRAPH_FILE,
    MODEL_FILES,
    PACKAGE_FILE,
    SCRIPTS,
    Manifest,
    Needs,
    Script,
    Slot,
)
from deploy.task.policy import Policy, refusals
from featuregraph.errors import FeatureGraphError
from featuregraph.graph import Graph
from featuregraph.shown import nearest
from featuregraph.sources import load_graph


@dataclass(frozen=True, slots=True)
class Packed:
    """A bundle that is ready to be written, what proved it, and what stands in its folder unpacked."""

    bundle: Bundle
    proof: Proof
    left_out: tuple[str, ...]


def pack(folder: Path, policy: Policy | None = None) -> Packed:
    """Return the bundle of the task in FOLDER, after every check.

    Args:
        folder: has task.toml, model/ and, if wanted, scripts/, data/ and config.json.
        policy: what is accepted of bundles; by default no scripts.

    Raises:
        TaskError: a file may not be packed, or its parts do not fit; .differences has the list.
        BundleError: a golden example or a check of the model package fails.
    """
    words = read_task_file(folder)
    files = read_folder(folder)
    manifest = _manifest(folder, words, files)
    if found := refusals(manifest, policy or Policy()):
        raise TaskError("expected a task that the policy accepts, found otherwise", found)
    bundle = Bundle(manifest, files)
    if wrong := _source(words, folder, bundle):
        raise TaskError("expected a task whose parts fit, found differences", wrong)
    return Packed(bundle, prove(bundle), files.left_out)


def _manifest(folder: Path, words: TaskFile, files: Folder) -> Manifest:
    if missing := sorted(MODEL_FILES - set(files.paths)):
        raise TaskError(
            f"expected a model package in {folder.name}/model, found no {missing[0]}; write it with"
            " inference.package"
        )
    graph = _graph(folder)
    package = package_of(read_small(folder / PACKAGE_FILE, PACKAGE_FILE, limits.MAX_MANIFEST))
    try:
        made = Manifest(
            task=words.name,
            description=words.description,
            graph_id=graph.id,
            schema_sha256=package.schema_sha256,
            files=files.entries,
            exclusive={
                DATA + name: _slot(name, slot.most, slot.required) for name, slot in words.exclusive.items()
            },
            scripts=_scripts(words.scripts, files, graph),
            needs=Needs(None if words.memory is None else size(words.memory, "memory", 1 << 40)),
        )
        return Manifest.from_json(made.to_json())  # the bounds hold for what was made here too
    except BundleError as error:
        raise TaskError(str(error)) from error


def _graph(folder: Path) -> Graph:
    content = read_small(folder / GRAPH_FILE, GRAPH_FILE, limits.MAX_GRAPH)
    try:
        return Graph.from_json(content)
    except FeatureGraphError as error:
        raise TaskError(f"{GRAPH_FILE}: {error}") from error


def _slot(name: str, most: str | int, required: bool) -> Slot:  # noqa: FBT001 - a field of the words
    return Slot(size(most, f"exclusive {name!r}", limits.MAX_FILE), required)


def _scripts(words: Mapping[str, ScriptWords], files: Folder, graph: Graph) -> dict[str, Script]:
    """Return each script with the ids of the features that it reads."""
    wrong = []
    there = {name.removeprefix(SCRIPTS) for name in files.paths if name.startswith(SCRIPTS)}
    for name in sorted(there ^ set(words)):
        where = TASK_FILE if name in there else SCRIPTS
        wrong.append(
            f"script {name!r}: expected it in {TASK_FILE} and in {SCRIPTS}, found none in {where}; add it"
        )
    for name, script in words.items():
        wrong += [
            f"script {name!r}: expected the features that it reads in the graph, found no {feature!r};"
            f" {nearest(feature, graph.features)}"
            for feature in script.reads
            if feature not in graph.features
        ]
    if wrong:
        raise TaskError("expected scripts that fit the graph, found differences", wrong)
    return {
        SCRIPTS + name: Script({feature: graph.feature_ids[feature] for feature in script.reads})
        for name, script in words.items()
    }


def _source(words: TaskFile, folder: Path, bundle: Bundle) -> list[str]:
    """Return how the graph that the task names has left the one that the model was trained on."""
    if (argument := words.graph) is None:
        return []
    if argument.partition(":")[0].endswith((".py", ".json")):  # a file, told from the task's folder
        argument = str(folder / argument)
    return fit.source_differences(load_graph(argument), graph_of(bundle))
