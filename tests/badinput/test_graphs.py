"""Bad graphs and plans, as JSON and as bytes: a CompileError of one line, whatever they hold."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import featuregraph as fg
from featuregraph import CompileError

pytestmark = pytest.mark.device


class Click(fg.Event, name="click"):
    """Something looked at."""

    item = fg.category()
    price = fg.decimal(2)
    n = fg.int64()


_STREAM = fg.rows(Click)
GRAPH = fg.Graph(
    "bad",
    {
        "count": _STREAM.over("1h").count(),
        "spend": _STREAM.where(Click.n > 3).sum(Click.price),
        "ratio": _STREAM.sum(Click.n) / (_STREAM.count() + 1),
        "top": _STREAM.last(50).topk(Click.item, 3),
        "map": _STREAM.group_by(Click.item).count().lookup(fg.candidate("item", fg.category())),
        "seq": _STREAM.sequence(5, {"h": Click.item.hash(100), "age": fg.age()}, distinct=Click.item),
        "hour": fg.hour_of_day("Europe/Berlin"),
        "given": fg.request("x", fg.float64()).fill(0.5).clip(0.0, 1.0),
    },
)
FORM: dict[str, Any] = json.loads(GRAPH.to_json())


def refused(source: Any) -> str:
    """Return the line with which SOURCE is refused as a graph."""
    with pytest.raises(CompileError) as caught:
        fg.Graph.from_json(source)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) <= 1_000
    return line


def with_feature(expr: Any) -> dict[str, Any]:
    """Return the JSON form with one more feature."""
    return {**FORM, "features": {**FORM["features"], "bad": expr}}


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """An unknown event, field, feature, aggregate or operator is named with the nearest that there is."""
    stream = {"events": ["click"]}
    for expr, found, nearest in [
        ({"agg": "count", "stream": {"events": ["clik"]}}, "'clik'", "click"),
        ({"agg": "sum", "stream": stream, "x": {"field": "prize"}}, "'prize'", "price"),
        ({"feature": "cuont"}, "'cuont'", "count"),
        ({"agg": "summ", "stream": stream, "x": {"field": "n"}}, "'summ'", "sum"),
        ({"op": "ad", "args": []}, "'ad'", "add"),
    ]:
        line = refused(with_feature(expr))
        assert line.startswith("feature 'bad': ")
        assert found in line
        assert nearest in line


def test_a_wrong_type_is_told_with_both_types() -> None:
    """An operator that cannot take a type says which it takes and which it got, and where."""
    line = refused(with_feature({"agg": "sum", "stream": {"events": ["click"]}, "x": {"field": "item"}}))
    assert re.search("number", line)
    assert "category" in line
    with pytest.raises(CompileError, match=r"test_graphs\.py"):
        _ = Click.item + 1


@pytest.mark.parametrize("depth", [257, 300, 900, 3_000, 200_000])
@pytest.mark.parametrize("kind", ["op", "list", "object", "where", "field", "graph", "format", "events"])
def test_deep_nesting_is_refused(kind: str, depth: int) -> None:
    """Expressions are bounded; deeper nesting, wherever it is, is one line and no exhausted stack."""
    inner = '{"lit":1,"type":"int64"}'
    form = {
        "op": ('{"op":"neg","args":[' * depth, inner, "]}" * depth),
        "list": ("[" * depth, inner, "]" * depth),
        "object": ('{"x":' * depth, inner, "}" * depth),
    }.get(kind, ('{"op":[' * depth, inner, "]}" * depth))
    deep = "".join(form)
    text = {
        "where": with_feature({"agg": "count", "stream": {"events": ["click"], "where": "DEEP"}}),
        "field": with_feature({"agg": "sum", "stream": {"events": ["click"]}, "x": {"field": "DEEP"}}),
        "graph": {**FORM, "graph": "DEEP"},
        "format": {**FORM, "format": "DEEP"},
        "events": {**FORM, "events": {"click": {"item": "DEEP"}}},
    }.get(kind, with_feature("DEEP"))
    refused(json.dumps(text).replace('"DEEP"', deep))


def test_what_is_just_deep_enough_compiles() -> None:
    """The bound on depth is the one that is told."""
    expr: Any = {"lit": 1, "type": "int64"}
    for _ in range(200):
        expr = {"op": "neg", "args": [expr]}
    assert fg.Graph.from_json(json.dumps(with_feature(expr))).features["bad"] is not None


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b'{"graph": "\xff"}', b"\x00" * 50, b"PK\x03\x04", b"[1]", b'"x"', b"7", b"{"]
)
def test_bytes_that_are_no_text_are_refused(data: bytes) -> None:
    """What is no UTF-8, or no JSON object, is refused as a graph and as a plan."""
    refused(data)
    with pytest.raises(CompileError):
        fg.Plan.from_bytes(data)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5_000])
def test_numbers_that_json_has_not_are_refused(number: str) -> None:
    """NaN, infinities and numbers beyond all types are no literals."""
    refused(json.dumps(with_feature({"lit": "X", "type": "float64"})).replace('"X"', number))
    refused(json.dumps(with_feature({"lit": "X", "type": "int64"})).replace('"X"', number))


def test_a_huge_graph_is_refused() -> None:
    """A text beyond the bound is refused before it is parsed."""
    assert "at most" in refused('{"x": "' + "x" * (17 << 20) + '"}')


def test_a_plan_is_whole_or_refused() -> None:
    """A plan cut short, changed or with another id is refused; it never means something else."""
    data = GRAPH.compile().to_bytes()
    for cut in range(0, len(data), 7):
        with pytest.raises(CompileError):
            fg.Plan.from_bytes(data[:cut])
    lines = []
    for place in range(0, len(data), 3):
        for bit in (0, 3, 7):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            try:
                plan = fg.Plan.from_bytes(bytes(flipped))
            except CompileError as error:
                lines.append(str(error))
            else:
                assert plan.id == GRAPH.id, "only what is no part of the meaning may change, such as a name"
    assert len(lines) > 100
    assert not any("\n" in line for line in lines)


NUMBERS = [None, True, 0, -1, 2**63, 10**30, 1.5]
WORDS = ["", "click", "n", "item", "count", "sum", "neg", "1h", "x" * 9_000, "../../etc", "\x00", "\ud800"]
TYPES = ["int64", "decimal(2)", "decimal(99)", "vector(3)", "vector(9999999999)"]
EXPRS = [{}, [], {"lit": 1, "type": "int64"}, {"feature": "count"}, {"field": "n"}, {"now": True}, [{}], [[]]]
SCRAPS: st.SearchStrategy[Any] = st.sampled_from([*NUMBERS, *WORDS, *TYPES, *EXPRS])
TAGS = st.sampled_from(["lit", "op", "agg", "x", "ts", "stream", "tables", "over"])


@st.composite
def harmed(draw: st.DrawFn) -> Any:
    """Return the graph's JSON form with a few parts replaced, removed, added or copied elsewhere."""
    form = copy.deepcopy(FORM)
    for _ in range(draw(st.integers(1, 4))):
        parent, key = draw(st.sampled_from(list(_places(form))))
        match draw(st.integers(0, 3)):
            case 0:
                parent[key] = copy.deepcopy(draw(SCRAPS))
            case 1:
                del parent[key]
            case 2 if isinstance(parent, dict):
                parent[draw(TAGS)] = copy.deepcopy(draw(SCRAPS))
            case _:
                other, place = draw(st.sampled_from(list(_places(form))))
                parent[key] = copy.deepcopy(other[place])
        if not list(_places(form)):
            break
    return form


def _places(form: Any) -> Any:
    """Give (parent, key) of every part of FORM."""
    waiting = [form]
    while waiting:
        parent = waiting.pop()
        for key in list(parent) if isinstance(parent, dict) else range(len(parent)):
            yield parent, key
            if isinstance(parent[key], (dict, list)):
                waiting.append(parent[key])


@settings(max_examples=400)
@given(form=harmed(), as_text=st.booleans())
def test_a_harmed_graph_compiles_or_is_refused(form: Any, as_text: bool) -> None:
    """Whatever was changed, the graph is one that writes and reads itself, or a CompileError of one line."""
    try:
        graph = fg.Graph.from_json(json.dumps(form) if as_text else form)
        text = graph.to_json()
        plan = graph.compile()
    except CompileError as error:
        line = str(error)
    else:
        line = ""
        assert fg.Graph.from_json(text).to_json() == text
        assert fg.Plan.from_bytes(plan.to_bytes()).id == graph.id
    assert "\n" not in line
    assert len(line) <= 1_000


@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_as_a_plan(data: bytes) -> None:
    """Random bytes are no plan and no graph."""
    for read in (fg.Plan.from_bytes, fg.Graph.from_json):
        with pytest.raises(CompileError):
            read(data)
