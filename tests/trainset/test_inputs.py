"""A training set for a model: its columns are the model's inputs, each row what the model is given there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import featuregraph as fg
from headrace import cli
from headrace.contract import inputs_of
from inference import Input, ModelSpec, OutputSpec, feeds, tensors
from inference.contract import TensorSpec
from stream import BackfillError, Recipe, training_set
from tests.trainset.shop import Buy, Item, Made, View, real, recorded

pq = pytest.importorskip("pyarrow.parquet")

EVENTS = [{**event, "n": event["n"] or None} if "n" in event else event for event in recorded(80)]
FEATURES = {
    "views": fg.rows(View).over("1h").count(),
    "spend": fg.rows(Buy).sum(Buy.price),
    "any": fg.rows(Buy).count() > 1,
    "history": fg.rows(View, Buy).sequence(6, {"item": View.item_id.hash(100)}),
    "lines": fg.rows(Buy).sequence(6, {"n": Buy.n}),
    "top": fg.rows(View).topk(View.item_id.hash(100), 3),
    "seen": fg.rows(View).over("1d").group_by(View.item_id).count().lookup(Item.item_id).fill(0),
    "item": Item.item_id.hash(50),
    "new": Item.item_id == "i3",
    "unused": fg.rows(View).count(),
}
LABELS = {"later": fg.rows(Buy).ahead("1h").count()}
GRAPH = fg.Graph("model", FEATURES | LABELS)
WORDS = [
    Input("dense", ["spend", "views", "any"]),
    Input("flag", "any", datatype="BOOL"),
    Input("views_count", "views", datatype="INT32"),
    Input("clicked", "history.item", max_len=4, vocab=100, mask="clicked_mask", length="clicked_length"),
    Input("bought", "lines.n", max_len=5, side="right", pad=-1, datatype="FP64"),
    Input("top", "top", max_len=3),
    Input("cand", "item", vocab=50, datatype="INT64"),
    Input("look", ["seen", "new"], datatype="FP16"),
]
RECIPE = Recipe("buy", each="basket", negatives=2, item="item_id", exact=True)


def contract(graph: fg.Graph = GRAPH, words: Any = WORDS) -> ModelSpec:
    """Return the contract of a model of GRAPH."""
    score = OutputSpec("score", "FP32", ("C",), "score")
    return ModelSpec(graph_id=graph.id, inputs=tensors(graph, words), outputs=(score,))


def written(spec: ModelSpec, folder: Path) -> Path:
    """Write SPEC as a package has it."""
    (folder / "contract.json").write_bytes(spec.to_json())
    return folder


def values_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the features of a ROW of a plain training set."""
    found = {name: row[name] for name in ("views", "spend", "any")}
    found["history"] = {"item": real(row, "history.item", "history")}
    found["lines"] = {"n": [n or None for n in real(row, "lines.n", "lines")]}  # nulls were filled there
    found["top"] = real(row, "top", "top")
    return found | {name: real(row, name) for name in ("seen", "item", "new")}


def test_each_row_is_what_the_model_is_given(made: Made, tmp_path: Path) -> None:
    """Bit for bit what the binder makes of the same features; candidates as many as the query has."""
    spec = contract()
    _, plain = made(GRAPH, EVENTS, RECIPE)
    card, found = made(GRAPH, EVENTS, replace(RECIPE, inputs=inputs_of(written(spec, tmp_path))))
    rows = 0
    for name, part in plain.items():
        for row, mine in zip(part, found[name], strict=True):
            count = sum(row["candidates.mask"])
            for tensor, given in feeds(spec.inputs, values_of(row)).items():
                same(spec.input(tensor), mine[tensor], given, count)
            assert (mine["later"], mine["chosen"]) == (row["later"], row["chosen"])
            rows += 1
    assert rows == card.rows > 20


def same(spec: TensorSpec, mine: Any, given: Any, count: int) -> None:
    """Compare a cell with the tensor that the model is GIVEN."""
    array = np.array(mine, spec.dtype)
    if spec.role == "candidate":
        assert (array[count:] == spec.pad).all()
        array = array[:count]
    assert array.reshape(-1).tobytes() == given.reshape(-1).tobytes(), spec.name


def test_columns_are_the_inputs_in_their_order(tmp_path: Path) -> None:
    """In their datatypes, between the query and its labels; features that nobody reads are left out."""
    recipe = replace(RECIPE, inputs=inputs_of(written(contract(), tmp_path)))
    card = training_set(GRAPH.compile(), EVENTS, tmp_path / "set", recipe)
    schema = pq.read_schema(tmp_path / "set" / "train.parquet")
    inputs = [tensor.name for tensor in contract().inputs]
    assert schema.names[: len(inputs) + 2] == ["user_id", "ts_ms", *inputs]
    assert set(schema.names[len(inputs) + 2 :]) == {"chosen", "later", "candidates.mask", "candidates.length"}
    assert str(schema.field("dense").type) == "fixed_size_list<element: float>[3]"
    assert str(schema.field("clicked_length").type) == "int64"
    roles = [column["role"] for column in card.columns]
    assert roles[: len(inputs) + 2] == ["key", "time", *(["input"] * len(inputs))]
    assert card.recipe["inputs"]["graph_id"] == GRAPH.id


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [Input("v", "views", datatype="INT32")],
            "of different names, found 'later' as an input",
        ),
        ([Input("clicked", "history.item", max_len=4, vocab=100)], "expected 0 <= id < 7, found"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, words: Any, said: str) -> None:
    """A name that is taken, an id beyond the vocabulary."""
    text = contract(words=words).to_json().decode()
    text = text.replace('"name":"v"', '"name":"later"').replace('"vocab":100', '"vocab":7')
    (tmp_path / "contract.json").write_text(text)
    recipe = replace(RECIPE, inputs=inputs_of(tmp_path / "contract.json"))
    with pytest.raises(BackfillError, match=said):
        training_set(GRAPH.compile(), EVENTS, tmp_path / "set", recipe)
    assert not (tmp_path / "set").exists()


def test_the_command_reads_a_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a package too; one of another graph, and what is no contract, is refused on one line."""
    monkeypatch.chdir(tmp_path)
    Path("e.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    Path("model.json").write_text(GRAPH.to_json())
    other = fg.Graph("model", FEATURES | {"views": fg.rows(View).over("2h").count()})
    Path("other.json").write_text(other.to_json())
    written(contract(), tmp_path)

    def run(graph: str, path: str) -> tuple[int, str]:
        ask = ("e.jsonl", "-g", graph, "-o", "set", "--at", "buy", "--each", "basket", "--contract", path)
        code = cli.main(["training-set", *ask])
        return code, capsys.readouterr().err

    code, err = run("other.json", "contract.json")
    assert code == 2
    assert f"expected a contract of one of the graphs model {other.id[:12]}, found one of graph" in err
    assert run("model.json", "nothing.json")[1].count("found nothing to read at nothing.json") == 1
    Path("bad.json").write_text("{}")
    assert "contract: expected JSON of format 1" in run("model.json", "bad.json")[1]
    assert run("model.json", ".") == (0, "")
    assert "dense" in pq.read_schema("set/train.parquet").names
