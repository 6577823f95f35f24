"""`headrace training-set`: a folder that appears whole or not at all, and one line for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from headrace import cli
from stream import BackfillError, Recipe, training_set
from stream.backfill import work
from stream.trainset.condition import conditions
from tests.trainset.shop import FEATURES, SHOP, Item, View, recorded

pq = pytest.importorskip("pyarrow.parquet")

EVENTS = recorded(60)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `headrace training-set` over the small recording, in its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (tmp_path / "shop.json").write_text(SHOP.to_json())
    (tmp_path / "features.json").write_text(FEATURES.to_json())

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(["training-set", "e.jsonl", *arguments])
        return code, *capsys.readouterr()

    return call


ASK = ("-g", "features.json", "-o", "set", "--at", "buy")


def test_it_tells_what_it_made(run: Run) -> None:
    """What is in each part, what was left out, and one row as an example; --json has the card."""
    options = ("-g", "shop.json", "-o", "set", "--at", "buy", "--each", "basket", "--negatives", "2")
    code, out, err = run(*options)
    assert (code, err) == (0, "")
    assert f"set: {len(pq.read_table('set/train.parquet')) + 0:,}"[:5] in out
    for said in (
        "train  ",
        "bought, mean",
        "queries whose labels look past the end",
        "history.item  feature",
    ):
        assert said in out
    code, out, _ = run(*options[:2], "-o", "other", *options[4:], "--json")
    card = json.loads(out)
    assert card.pop("out") == "other"
    assert card == json.loads(Path("set/card.json").read_text())


def test_every_option_is_the_recipe_s(run: Run, tmp_path: Path) -> None:
    """The command and the function make the same bytes."""
    code, _, _ = run(
        *ASK, "--each", "basket", "--where", "n < 2", "--where", "price is not null", "--before", "1s",
        "--most", "2", "--negatives", "2", "--window", "1d", "--popular", "view", "--seed", "7",
        "--split", "60/40", "--gap", "1m", "--length", "history=3", "--side", "right", "--exact",
    )  # fmt: skip
    assert code == 0
    types = FEATURES.events.get("buy", {}) | SHOP.events["buy"]
    where = conditions(["n < 2", "price is not null"], "buy", types)
    recipe = Recipe(
        "buy", "basket", where, "1s", most=2, negatives=2, window="1d", popular="view", seed=7,
        split=(60, 40), gap="1m", lengths={"history": 3}, side="right", exact=True,
    )  # fmt: skip
    training_set(FEATURES.compile(), Path("e.jsonl"), tmp_path / "other", recipe)
    for name in ("train.parquet", "test.parquet"):
        assert Path("set", name).read_bytes() == Path("other", name).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--at", "bye"], "at: expected an event of the recording, found no 'bye' with a key; did you mean"),
        (["--each", "baskte"], "each: expected row, time or a field of buy, found 'baskte'; did you mean"),
        (["--where", "n"], "where: expected FIELD OP VALUE, found 'n'"),
        (["--where", "m > 1"], "where: expected a field of buy, found 'm'"),
        (["--where", "ts_ms > tea"], "where: expected timestamp beside ts_ms, found 'tea'"),
        (["--where", "ts_ms < 0"], "found none: 43 rows that where leaves out; ask otherwise"),
        (["--item", "itme_id"], "item: expected a candidate of the graph, found 'itme_id'; did you mean"),
        (["--label", "views"], "expected columns of different names, found 'views' twice"),
        (["--sample", "luck"], "sample: expected popularity or catalogue, found 'luck'"),
        (["--sample", "catalogue"], "sample: expected a catalogue to draw from, found none"),
        (["--catalogue", "none.csv"], "none.csv: expected a file of rows of a table, found nothing"),
        (["--split", "many"], "--split: expected shares, found 'many'"),
        (["--split", "1/1/1/1"], "split: expected one to three shares"),
        (["--cut", "2", "--cut", "1"], "cuts: expected up to two times that ascend"),
        (["--gap", "soon"], "gap: expected a duration"),
        (["--length", "history"], "--length: expected NAME=N, found 'history'"),
        (["--length", "histroy=3"], "lengths: expected a list, found 'histroy'; did you mean 'history'"),
        (["--length", "candidates=0"], "lengths: expected 1 or more for each list"),
        (["--negatives", "2", "--length", "candidates=1"], "expected room for the 3 candidates of a query"),
        (["--side", "top"], "side: expected left or right, found 'top'"),
        (["--engine", "spark"], "expected an engine"),
        (["-o", "e.jsonl"], "e.jsonl: expected a free name for a folder, found something"),
        (["-o", "no/set"], "no/set: expected a folder to make, found no folder no"),
    ],
)
def test_what_does_not_fit_is_one_line(run: Run, tmp_path: Path, options: list[str], said: str) -> None:
    """It says what was expected, and nothing is left behind."""
    before = sorted(tmp_path.iterdir())
    code, out, err = run(*ASK, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert sorted(tmp_path.iterdir()) == before


def test_which_candidate_is_the_item_must_be_said() -> None:
    """If there are several."""

    class Offer(fg.Candidate):
        """Two of them."""

        item_id = fg.identifier()
        price = fg.float64()

    graph = fg.Graph("g", {"a": Offer.price, "b": Offer.item_id.hash(9)})
    with pytest.raises(BackfillError, match="which of the candidates item_id, price is the item of a row"):
        training_set(graph.compile(), EVENTS, "set", Recipe("buy"))
    alone = fg.Graph("g", {"a": fg.rows(View).count()})
    with pytest.raises(BackfillError, match="negatives: expected a graph with candidates, found none"):
        training_set(alone.compile(), EVENTS, "set", Recipe("buy", negatives=1))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (fg.rows(View).count() > 1, "expected an expression of the event's fields, found"),
        (Item.item_id == "i", "expected an expression of the event's fields, found candidate"),
        (View.item_id, "expected true or false, found identifier"),
    ],
)
def test_a_filter_is_of_the_event_alone(where: Any, said: str) -> None:
    """What only a query knows is refused."""
    with pytest.raises(fg.CompileError, match=said):
        training_set(FEATURES.compile(), EVENTS, "set", Recipe("buy", where=where))


def test_a_feature_stands_where_a_candidate_of_its_name_was(tmp_path: Path) -> None:
    """It is what a model is given."""
    graph = fg.Graph("g", {"item_id": Item.item_id.hash(9)})
    training_set(graph.compile(), EVENTS, tmp_path / "set", Recipe("buy", split=(1,)))
    table = pq.read_table(tmp_path / "set/train.parquet")
    assert str(table.schema.field("item_id").type) == "fixed_size_list<element: int64>[1]"


def test_features_of_several_graphs_stand_side_by_side(tmp_path: Path) -> None:
    """Under the keys of all; each item of a row is a query of its own."""
    user = fg.Graph("user", {"views": fg.rows(View).count()})
    item = fg.Graph("item", {"views": fg.rows(View).count()}, key="item_id")
    recipe = Recipe("view", each="time", split=(1,))
    training_set([user.compile(), item.compile()], EVENTS, tmp_path / "set", recipe)
    rows = pq.read_table(tmp_path / "set/train.parquet").to_pylist()
    assert len(rows) == len([event for event in EVENTS if event["event"] == "view"])
    seen: dict[str, int] = {}
    for row in rows:
        assert row["item.views"] == seen.get(row["item_id"], 0)
        seen[row["item_id"]] = seen.get(row["item_id"], 0) + 1
    assert sum(row["user.views"] == 0 for row in rows) == 5
    with pytest.raises(BackfillError, match="other names than the columns of the key, found item_id as both"):
        training_set([FEATURES.compile(), item.compile()], EVENTS, tmp_path / "other", recipe)


@pytest.mark.parametrize("place", ["stream.trainset.make.run", "stream.trainset.make.shaped"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=str)
def test_a_run_that_is_cut_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: BaseException
) -> None:
    """By Ctrl-C or a full disk, while it computes or writes."""
    before = sorted(tmp_path.iterdir())

    def cut(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(place, cut)
    code, _, err = run(*ASK)
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 2)
    assert err.count("\n") == (code == 2)
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_that_was_cut_goes_on(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --resume finished parts are kept, in a folder that another recipe does not take."""
    assert run(*ASK)[0] == 0
    options = (*ASK[:2], "-o", "again", *ASK[4:], "--resume")
    computed: list[str] = []
    compute = work.compute

    def counted(task: Any, unit: Any, done: Any, most: int) -> None:
        if len(computed) == most:
            raise KeyboardInterrupt
        computed.append(unit.path.name)
        compute(task, unit, done)

    monkeypatch.setattr(work, "compute", partial(counted, most=2))
    assert run(*options)[0] == 130
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["again.resume", "set"]
    code, _, err = run(*options, "--seed", "1")
    assert (code, "found other recipe; remove the folder" in err) == (2, True)
    monkeypatch.setattr(work, "compute", partial(counted, most=99))
    assert run(*options)[0] == 0
    assert len(set(computed)) == len(computed) == 8
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["again", "set"]
    for name in ("card.json", "train.parquet"):
        assert Path("set", name).read_bytes() == Path("again", name).read_bytes()
