"""A model is packaged only if it fits its graph; what differs is listed, and nothing half-made is left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import featuregraph as fg
from inference import (
    BackendError,
    Example,
    HashSpec,
    Input,
    ModelSpec,
    Options,
    OutputSpec,
    PackagingError,
    load,
    package,
    tensors,
)
from inference.modelfile import ModelFile

Make = Callable[..., Path]
Tin = Callable[..., bytes]
Oracle = Callable[[bytes, dict[str, Any]], list[float]]


def differences(make: Make, *args: Any, **changes: Any) -> tuple[str, ...]:
    """Return the differences that refuse a package; none of it may be left behind."""
    with pytest.raises(PackagingError) as error:
        make(*args, **changes)
    assert "\n" not in str(error.value)
    return error.value.differences


def changed(inputs: tuple[Input, ...], name: str, **changes: Any) -> tuple[Input, ...]:
    """Return INPUTS with the one of NAME changed."""
    return tuple(replace(words, **changes) if words.name == name else words for words in inputs)


def test_a_package_holds_what_it_says(make: Make, shop: fg.Graph, tin: Tin) -> None:
    """Four files under a manifest with sizes, hashes and ids; the schema stands in the model's metadata."""
    folder = make()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert sorted(p.name for p in folder.iterdir()) == sorted([*manifest["files"], "manifest.json"])
    for name, entry in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    spec = ModelSpec.from_json((folder / "contract.json").read_bytes())
    metadata = ModelFile((folder / "model.onnx").read_bytes()).metadata
    assert metadata == {"headrace.graph_id": shop.id, "headrace.schema_sha256": spec.schema_sha256}
    assert (manifest["graph_id"], manifest["schema_sha256"]) == (shop.id, spec.schema_sha256)
    assert "Gather" in manifest["operators"]
    assert (folder / "graph.json").read_text() == shop.to_json()


def test_the_same_parts_give_the_same_bytes(make: Make) -> None:
    """No clock and no machine leaves a trace in a package."""
    folder = make()
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    again = {p.name: p.read_bytes() for p in make().iterdir()}
    assert first == again


def test_no_file_of_the_trainer_is_named(make: Make, tin: Tin) -> None:
    """What an exporter notes of its own files and lines is taken out of the model."""
    onnx = pytest.importorskip("onnx")
    traced = onnx.load_model_from_string(tin())
    traced.graph.doc_string = "traced"
    for node in traced.graph.node:
        node.doc_string = "File train.py, line 7"
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File train.py, line 7")
    packaged = (make(traced.SerializeToString()) / "model.onnx").read_bytes()
    assert b"train.py" not in packaged
    assert b"traced" not in packaged


def test_a_path_is_packaged_like_bytes(
    make: Make, tin: Tin, shop: fg.Graph, inputs: tuple[Input, ...], examples: Any, tmp_path: Path
) -> None:
    """The model may be given as a file, and the manifest that is returned is the one written."""
    file = tmp_path / "m.onnx"
    file.write_bytes(tin())
    manifest = package(file, shop, inputs, tmp_path / "other", golden=examples)
    assert (
        msgspec.json.encode(manifest, order="sorted") == (tmp_path / "other" / "manifest.json").read_bytes()
    )
    assert (tmp_path / "other" / "model.onnx").read_bytes() == (make() / "model.onnx").read_bytes()
    with pytest.raises(PackagingError, match="expected a model file, found No such file"):
        package(tmp_path / "none.onnx", shop, inputs, tmp_path / "third", golden=examples)


def test_a_missing_input_is_a_difference(make: Make, inputs: tuple[Input, ...]) -> None:
    """A model input that no feature fills is named with its type."""
    found = differences(make, inputs=inputs[:2], options=Options(unused=("target", "affinity", "same")))
    assert [d for d in found if "'target': the model asks for it (INT64 ['C'])" in d]
    assert [d for d in found if "'candidate': the model asks for it" in d]


def test_an_input_too_many_is_a_difference(make: Make, tin: Tin, inputs: tuple[Input, ...]) -> None:
    """So is one that the model has and nobody binds, and one that is bound and the model has not."""
    assert "'surprise': the model asks for it" in differences(make, tin(extra=True))[0]
    (found,) = differences(make, inputs=(*inputs, Input("more", "orders")))
    assert "'more': the contract has it, the model has not" in found


def test_another_dtype_is_a_difference(make: Make, tin: Tin, inputs: tuple[Input, ...]) -> None:
    """A datatype that the feature cannot take, or that is declared otherwise, refuses the model."""
    (found,) = differences(make, tin(dense="INT64"))
    assert "feature 'spend': expected FP16 or FP32 or FP64 for decimal(2), found INT64" in found
    (found,) = differences(make, tin(dense="DOUBLE"), inputs=changed(inputs, "dense", datatype="FP32"))
    assert "input 'dense': expected FP64 as in the model, found FP32" in found


def test_another_size_is_a_difference(make: Make, inputs: tuple[Input, ...]) -> None:
    """A sequence longer than the model's and a stack wider than the model's are named with both sizes."""
    found = differences(make, inputs=changed(inputs, "history_item", max_len=7))
    assert any("'history_item': expected 6 on axis 1, found 7" in d for d in found)
    found = differences(make, inputs=changed(inputs, "dense", source=["orders", "spend", "orders"]))
    assert any("'dense': expected 2 on axis 1, found 3" in d for d in found)


def test_another_rank_is_a_difference(make: Make, shop: fg.Graph, inputs: tuple[Input, ...]) -> None:
    """A hand-made tensor of another rank than the model's is refused."""
    specs = {t.name: t for t in tensors(shop, inputs)}
    flat = msgspec.structs.replace(specs["candidate"], sources=specs["candidate"].sources[:1], shape=("C",))
    found = differences(make, inputs=[flat if t.name == "candidate" else t for t in specs.values()])
    assert any("'candidate': expected rank 2 ['C', 2], found rank 1 ['C']" in d for d in found)


def test_a_vocabulary_beyond_the_table_is_a_difference(
    make: Make, tin: Tin, inputs: tuple[Input, ...]
) -> None:
    """Ids beyond the table's rows, ids beyond their vocabulary, and ids without one are refused."""
    found = differences(make, tin(rows=64))
    assert [d.partition(";")[0] for d in found] == [
        f"input {name!r}: expected ids below the table's 64 rows, found the vocabulary 128"
        for name in ("history_item", "target")
    ]
    found = differences(make, inputs=changed(inputs, "target", vocab=100))
    assert "feature 'target': expected ids below the vocabulary 100, found ids up to 127" in found[0]
    found = differences(
        make, inputs=changed(inputs, "target", source="affinity"), options=Options(unused=("target",))
    )
    assert "'target': expected a vocabulary for ids into a table of 128 rows, found none" in found[0]


def test_another_hash_is_a_difference(make: Make, inputs: tuple[Input, ...]) -> None:
    """A model trained with another seed, or on ids that the graph does not hash, is refused."""
    found = differences(make, inputs=changed(inputs, "target", hash=HashSpec(128, 7)))
    assert (
        "feature 'target': expected HashSpec(buckets=128, seed=7), found HashSpec(buckets=128, seed=0)"
        in found[0]
    )
    found = differences(make, inputs=changed(inputs, "dense", source=["orders", "target"]))
    assert any("per query or per candidate" in d for d in found)


def test_an_id_is_no_number(make: Make, inputs: tuple[Input, ...], shop: fg.Graph) -> None:
    """A hashed feature does not bind to a float input."""
    found = differences(make, inputs=changed(inputs, "candidate", source=["affinity", "target"]))
    assert any("expected INT64 or INT32 for a hashed id, found FP32" in d for d in found)


def test_a_nullable_dense_feature_does_not_compile_for_a_model(
    make: Make, shop: fg.Graph, inputs: tuple[Input, ...]
) -> None:
    """Null in a dense scalar needs fill: without it the graph is refused, with it the model is packaged."""
    form = shop.to_dict()
    form["features"]["orders"] = {"agg": "since_last", "stream": {"events": ["purchase"]}}
    found = differences(make, graph=fg.Graph.from_json(form))
    assert (
        "feature 'orders': expected a value that is never null, found a nullable one; give it fill(...)"
        in found[0]
    )
    form["features"]["orders"] = {
        "op": "fill",
        "args": [form["features"]["orders"], {"lit": 0, "type": "int64"}],
    }
    assert "fill" in load(make(graph=fg.Graph.from_json(form))).graph.to_json()


def test_an_unbound_feature_is_a_difference_unless_excused(make: Make, inputs: tuple[Input, ...]) -> None:
    """A feature that fills nothing costs extraction for nothing: it is bound, dropped, or named as unused."""
    narrow = changed(inputs, "candidate", source=["affinity", "affinity"])
    assert differences(make, inputs=narrow) == (
        "feature 'same': it fills no input; bind it, drop it from the graph, or name it in unused=",
    )
    assert make(inputs=narrow, options=Options(unused=("same",))).is_dir()


def test_a_user_input_tied_to_the_candidates_is_a_difference(
    tin: Tin, make: Make, inputs: tuple[Input, ...]
) -> None:
    """A model that wants the user's features once per candidate is refused: they are computed once."""
    import onnx

    model = onnx.load_model_from_string(tin())
    dense = next(i for i in model.graph.input if i.name == "dense")
    dense.type.tensor_type.shape.dim[0].Clear()
    dense.type.tensor_type.shape.dim[0].dim_param = "C"
    found = differences(make, model.SerializeToString())
    assert "input 'dense': expected the candidate axis 'C' on axis 0, found the query's 1" in found[0]


def test_all_differences_are_listed_at_once(make: Make, tin: Tin, inputs: tuple[Input, ...]) -> None:
    """One refusal tells everything: the next try need not find the next mistake."""
    words = changed(changed(inputs, "target", hash=HashSpec(9)), "history_item", max_len=9)
    found = differences(make, tin(extra=True, rows=64), inputs=(*words, Input("ghost", "nobody")))
    for part in ("ghost", "surprise", "HashSpec(buckets=9", "expected 6 on axis 1", "64 rows"):
        assert any(part in d for d in found), part


def test_a_model_stamped_for_another_schema_is_refused(
    make: Make, tin: Tin, inputs: tuple[Input, ...]
) -> None:
    """A model file that says it belongs to another contract is not packaged for this one."""
    file = ModelFile(tin())
    file.set_metadata({"headrace.schema_sha256": "0" * 64})
    (found,) = differences(make, file.to_bytes())
    assert "the model file already says 000000000000" in found


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_a_truncated_model_is_refused(make: Make, tin: Tin, cut: int) -> None:
    """A part of an ONNX file is none."""
    with pytest.raises((BackendError, PackagingError)) as error:
        make(tin()[:cut] or b"\0")
    assert "\n" not in str(error.value)


def test_a_text_file_is_no_model(make: Make) -> None:
    """A text file gives one line that says what was expected."""
    with pytest.raises(BackendError, match="expected an ONNX model, found"):
        make(b"# a text, not a model\n" * 50)


def test_outputs_are_chosen_by_name(make: Make) -> None:
    """An output that the model has not, or that has a shape nobody can hold, is a difference."""
    assert "it has score" in differences(make, outputs=["logit"])[0]
    other = OutputSpec("score", "FP64", ("C",), "score")
    assert (
        "output 'score': expected FP32 as in the model, found FP64" in differences(make, outputs=[other])[0]
    )


def test_golden_examples_are_run(make: Make, examples: Any, tin: Tin, oracle: Oracle) -> None:
    """Too few examples, one that does not bind, and outputs that the model does not give are refused."""
    with pytest.raises(PackagingError, match="expected 3 to 64 examples, found 2"):
        make(golden=examples[:2])
    with pytest.raises(PackagingError, match=r"golden example 1: feature 'history\.item'"):
        make(golden=[examples[0], {**examples[1], "history": {"item": [500], "age": [1]}}, examples[2]])
    known = [Example(e, {"score": oracle(tin(), e)}) for e in examples]
    assert make(golden=known).is_dir()
    wrong = [*known[:2], Example(examples[2], {"score": [0.0, 0.0, 0.0]})]
    with pytest.raises(
        PackagingError, match="golden example 2, output 'score': expected the trainer's values"
    ):
        make(golden=wrong)


def test_int8_rows_make_the_model_smaller(make: Make, tin: Tin, examples: Any) -> None:
    """Tables as int8 rows make a smaller file that loads, within a limit; the change is noted."""
    full = (make() / "model.onnx").stat().st_size
    folder = make(quantize="rowwise_int8", options=Options(overwrite=True))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (folder / "model.onnx").stat().st_size < 0.6 * full
    assert manifest["quantize"] == "rowwise_int8"
    assert 0 < manifest["quantize_error"] < 0.01
    assert load(folder).spec.input("target").vocab == 128
    with pytest.raises(PackagingError, match="quantize: expected outputs within 1e-09"):
        make(quantize="rowwise_int8", options=Options(overwrite=True, quantize_limit=1e-9))
    with pytest.raises(PackagingError, match="expected a float table"):
        make((folder / "model.onnx").read_bytes(), quantize="rowwise_int8", options=Options(overwrite=True))


def test_tables_are_seen_through_operators_and_after_quantising(tin: Tin) -> None:
    """The rows of a table are found for both inputs that look it up, float or int8."""
    file = ModelFile(tin())
    assert file.table_rows() == {"history_item": 128, "target": 128}
    assert file.quantize_rows() == 1
    assert file.table_rows() == {"history_item": 128, "target": 128}


def test_a_directory_is_never_half_written(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A failure while writing leaves the old package and no temporary directory."""
    folder = make()
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PackagingError, match="expected room to write a package, found No space left"):
        make(quantize="rowwise_int8")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["package"]


def test_only_a_package_is_overwritten(make: Make, tmp_path: Path) -> None:
    """An existing package needs overwrite, and any other directory is never replaced."""
    make()
    with pytest.raises(PackagingError, match="expected no directory there"):
        make(options=Options())
    (tmp_path / "package" / "manifest.json").unlink()
    with pytest.raises(PackagingError, match="expected no directory there"):
        make()
