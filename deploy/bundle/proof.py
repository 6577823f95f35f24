"""A bundle believed after every check only: each blob, graph, model package, scripts, golden examples."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import inference
from deploy import limits
from deploy.bundle.bundle import Bundle
from deploy.errors import BundleError
from deploy.task import fit
from deploy.task.bins import Bins, differences
from deploy.task.card import Card, card
from deploy.task.manifest import BINS, CONFIG, GRAPH_FILE, MODEL, PACKAGE_FILE
from featuregraph.errors import FeatureGraphError
from featuregraph.graph import Graph
from inference.contract import decode
from inference.errors import InferenceError
from inference.golden import Golden
from inference.manifest import GOLDEN
from inference.manifest import Manifest as Package


@dataclass(frozen=True, slots=True)
class Proof:
    """What a bundle that passed all checks says of itself."""

    graph: Graph
    card: Card


def prove(bundle: Bundle) -> Proof:
    """Check all of BUNDLE, run its golden examples and return its card.

    Raises:
        BundleError: the first thing that is not right.
    """
    bundle.verify()
    graph, package = fitting(bundle)
    _require(_contents(bundle))
    with tempfile.TemporaryDirectory(prefix="headrace-") as scratch:
        folder = Path(scratch) / "bundle"
        bundle.unpack(folder, MODEL)
        try:
            model = inference.load(folder / MODEL)
            golden = decode(
                bundle.read(MODEL + GOLDEN, limits.MAX_FILE), Golden, GOLDEN, inference.Limits().golden
            )
        except InferenceError as error:
            raise BundleError(str(error)) from error
    return Proof(model.graph, card(bundle.manifest, graph, package, len(golden.cases)))


def fitting(bundle: Bundle) -> tuple[Graph, Package]:
    """Return BUNDLE's graph and the manifest of its model, of which nothing is run.

    Raises:
        BundleError: its graph is not the one that the model was trained on, or not the one that it names.
    """
    graph, package = graph_of(bundle), package_of(bundle.read(PACKAGE_FILE, limits.MAX_MANIFEST))
    _require(fit.differences(bundle.manifest, graph, package))
    if (bins := bins_of(bundle)) is not None:
        _require([f"{BINS}: {text}" for text in differences(bins, graph)])
    return graph, package


def bins_of(bundle: Bundle) -> Bins | None:
    """Return how BUNDLE's features were spread in training, None if it does not tell."""
    if BINS not in bundle.manifest.files:
        return None
    return Bins.from_json(bundle.read(BINS, limits.MAX_BINS))


def graph_of(bundle: Bundle) -> Graph:
    """Return the graph that BUNDLE's model was trained on; raise BundleError if it is none."""
    try:
        return Graph.from_json(bundle.read(GRAPH_FILE, limits.MAX_GRAPH))
    except FeatureGraphError as error:
        raise BundleError(f"{GRAPH_FILE}: {error}") from error


def package_of(content: bytes) -> Package:
    """Return the manifest of a model package; raise BundleError if CONTENT is none."""
    try:
        return decode(content, Package, PACKAGE_FILE, inference.Limits().manifest)
    except InferenceError as error:
        raise BundleError(str(error)) from error


def _contents(bundle: Bundle) -> list[str]:
    """Return what is wrong inside the scripts and the configuration, which are read and never run."""
    found = {
        name: fit.script_problem(bundle.read(name, limits.MAX_SCRIPT)) for name in bundle.manifest.scripts
    }
    if CONFIG in bundle.manifest.files:
        found[CONFIG] = fit.config_problem(bundle.read(CONFIG, limits.MAX_CONFIG))
    return [f"{name}: {text}" for name, text in found.items() if text is not None]


def _require(differences: list[str]) -> None:
    if differences:
        raise BundleError(f"bundle: {'; '.join(differences[:3])}")
