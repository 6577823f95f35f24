"""A package is believed after every check only: a wrong file, hash, id or example refuses it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from inference import BackendError, Limits, Model, PackageError, Session, load
from inference.backend import backend
from inference.modelfile import ModelFile
from inference.testing import FakeBackend, FakeRuntime

Make = Callable[..., Path]
Tin = Callable[..., bytes]


def rewrite(folder: Path, name: str, content: bytes, **manifest: Any) -> None:
    """Put CONTENT into the package as somebody would who can also write the manifest."""
    (folder / name).write_bytes(content)
    form = json.loads((folder / "manifest.json").read_bytes())
    form["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({**form, **manifest}))


def refusal(folder: Path, **options: Any) -> str:
    """Return why the package is refused, which is one line that names the package."""
    with pytest.raises(PackageError) as error:
        load(folder, **options)
    text = str(error.value)
    assert text.startswith("package 'package': ")
    assert "\n" not in text
    return text


def test_a_loaded_model_answers(make: Make, tin: Tin, examples: Any, oracle: Any, shop: fg.Graph) -> None:
    """A package gives the model's scores, its graph and its ids."""
    model = load(make())
    found = Session(model).run(fg.FeatureVector(examples[2], shop.id, 0))["score"]
    assert found.tolist() == pytest.approx(oracle(tin(), examples[2]), abs=1e-5)
    assert (model.graph.id, model.graph_id) == (shop.id, shop.id)
    assert model.sha256 == hashlib.sha256((make() / "model.onnx").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "name", ["manifest.json", "model.onnx", "graph.json", "contract.json", "golden.json"]
)
@pytest.mark.parametrize("harm", ["missing", "empty", "truncated", "flipped", "directory"])
def test_a_harmed_file_is_refused(make: Make, name: str, harm: str) -> None:
    """Any file that is missing, cut or changed in one bit refuses the package."""
    file = make() / name
    content = file.read_bytes()
    file.unlink()
    match harm:
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(content[: len(content) // 2])
        case "flipped":
            file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        case "directory":
            file.mkdir()
    assert name.partition(".")[0] in refusal(file.parent)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    """A directory that does not exist, and one without a manifest, are no packages."""
    (tmp_path / "package").mkdir()
    assert "manifest.json: expected a readable file" in refusal(tmp_path / "package")
    with pytest.raises(PackageError, match="give a package directory"):
        load(tmp_path / "nowhere")


def test_a_manifest_lists_exactly_its_files(make: Make) -> None:
    """A file too many or a name that leads elsewhere is refused before anything is read."""
    folder = make()
    form = json.loads((folder / "manifest.json").read_bytes())
    form["files"]["../secret"] = form["files"]["model.onnx"]
    (folder / "manifest.json").write_text(json.dumps(form))
    assert (
        "expected the files contract.json, golden.json, graph.json, model.onnx, found ../secret"
        in refusal(folder)
    )


def test_sizes_are_bounded(make: Make) -> None:
    """A file beyond its named bound is refused without being read whole."""
    assert "model.onnx: expected at most 1000 bytes" in refusal(make(), limits=Limits(model=1000))


def test_a_model_of_another_schema_is_refused(make: Make, tin: Tin) -> None:
    """A model whose metadata name another contract, or none, is refused, whatever the manifest says."""
    folder = make()
    rewrite(folder, "model.onnx", tin())
    assert "model.onnx: expected the schema" in (text := refusal(folder))
    assert "found none" in text
    file = ModelFile(tin())
    file.set_metadata({"headrace.schema_sha256": "1" * 64})
    rewrite(folder, "model.onnx", file.to_bytes())
    assert "found 111111111111 in" not in refusal(folder)
    assert "found 111111111111" in refusal(folder)


def test_a_contract_of_another_schema_is_refused(make: Make) -> None:
    """A contract that is not the manifest's is refused."""
    folder = make()
    contract = (
        (folder / "contract.json")
        .read_bytes()
        .replace(b'"side":"left"', b"")
        .replace(b'"vocab":128', b'"vocab":127')
    )
    rewrite(folder, "contract.json", contract)
    assert "contract.json: expected schema" in refusal(folder)


def test_a_graph_of_another_meaning_is_refused(make: Make, shop: fg.Graph) -> None:
    """A graph that compiles but means something else is refused, and so is one that does not compile."""
    folder = make()
    form = shop.to_dict()
    form["features"]["orders"] = {"agg": "count", "stream": {"events": ["purchase"], "over": "1d"}}
    rewrite(folder, "graph.json", fg.Graph.from_json(form).to_json().encode())
    assert "graph.json: graph: expected id" in refusal(folder)
    rewrite(folder, "graph.json", b'{"format":1}')
    assert "graph.json: " in refusal(folder)


@pytest.mark.parametrize("content", [b"a text, not a model", b"", b"\x08\x0a" * 40])
def test_a_file_that_is_no_model_is_refused(make: Make, content: bytes) -> None:
    """Whatever the hashes say, the runtime's refusal becomes one line."""
    folder = make()
    rewrite(folder, "model.onnx", content)
    assert "model.onnx: expected an ONNX model, found" in refusal(folder)


def test_a_golden_example_that_differs_is_refused(make: Make) -> None:
    """A model that no longer gives its own answers is not used."""
    folder = make()
    golden = json.loads((folder / "golden.json").read_bytes())
    golden["cases"][1]["outputs"]["score"][0] += 0.01
    rewrite(folder, "golden.json", json.dumps(golden).encode())
    assert "golden example 1, output 'score'[0]: expected 1.48" in refusal(folder)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("cases",), [], "golden.json"),
        (("cases", 0, "outputs"), {"logit": [1.0]}, "expected the outputs"),
        (("cases", 0, "outputs", "score"), [1.0], "expected the shape [1]"),
        (("cases", 0, "outputs", "score"), ["x"], "expected numbers"),
        (("cases", 0, "features", "spend"), "one", "expected a decimal as text"),
        (("cases", 0, "features", "history"), 7, "expected a record"),
        (("cases", 1, "features", "target"), [128], "expected 0 <= id < 128"),
        (("absolute",), -1, "golden.json"),
    ],
)
def test_a_malformed_golden_example_is_refused(
    make: Make, path: tuple[Any, ...], value: object, says: str
) -> None:
    """Examples are input like any other: each form that they cannot have gives one line."""
    folder = make()
    golden = json.loads((folder / "golden.json").read_bytes())
    inner = golden
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    rewrite(folder, "golden.json", json.dumps(golden).encode())
    assert says in refusal(folder)


def test_a_backend_is_chosen_by_name(make: Make) -> None:
    """Auto takes an installed one; an unknown or a missing one is an error that says what to do."""
    assert backend("auto").name == backend("onnx").name == "onnx"
    with pytest.raises(BackendError, match="expected a backend of"):
        load(make(), backend="mnn2")


def test_any_backend_can_open_a_package(make: Make) -> None:
    """A backend that is handed in is used, and held to the golden examples like every other."""
    folder = make()
    spec = load(folder).spec
    metadata = {"headrace.schema_sha256": spec.schema_sha256}
    runtime = FakeRuntime(spec, lambda arrays: {"score": arrays["target"] * 0.0}, metadata)
    assert "golden example 0" in refusal(folder, backend=FakeBackend(runtime))
    assert isinstance(load(folder), Model)
