"""What `headrace explain` says of costs: counted on steps, and bounds of states that hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import featuregraph as fg
from featuregraph.aggregates import CATALOGUE, Grouped, aggregate_for
from featuregraph.explain import describe
from featuregraph.explain.cost import kept_of
from featuregraph.explain.load import Load, counted
from featuregraph.passes import optimised
from featuregraph.sources import load_graph
from featuregraph.steps import written

pytestmark = pytest.mark.device

PAGES = Path(__file__).parent / "data/pages.py"
HOUR, DAY = 3_600_000, 86_400_000


class Tick(fg.Event, name="tick"):
    """Something that happens."""

    n = fg.int64()
    s = fg.string()


Rows = Callable[[fg.Rows], Any]
VALUES: dict[str, Rows] = {
    "count": lambda r: r.count(),
    "sum": lambda r: r.sum(Tick.n),
    "mean": lambda r: r.mean(Tick.n),
    "var": lambda r: r.var(Tick.n),
    "std": lambda r: r.std(Tick.n),
    "min": lambda r: r.min(Tick.n),
    "max": lambda r: r.max(Tick.n),
    "first": lambda r: r.first(Tick.n),
    "last": lambda r: r.last(Tick.n),
    "since_first": lambda r: r.since_first(),
    "since_last": lambda r: r.since_last(),
    "distinct": lambda r: r.distinct(Tick.s),
    "topk": lambda r: r.topk(Tick.s, 3),
    "quantile": lambda r: r.quantile(Tick.n, 0.5),
    "sequence": lambda r: r.sequence(4, {"n": Tick.n}),
    "sequence, distinct": lambda r: r.sequence(4, {"n": Tick.n}, distinct=Tick.s),
    "count by": lambda r: r.group_by(Tick.s).count(),
    "mean by": lambda r: r.group_by(Tick.s).mean(Tick.n),
    "max by": lambda r: r.group_by(Tick.s).max(Tick.n),
}
TAKES: dict[str, Callable[[int], Any]] = {
    "ts": lambda i: i,
    "ts_x": lambda i: (i, i),
    "key_row": lambda i: (f"s{i}", (i, 0, "")),
}


@pytest.mark.parametrize(("window", "rows"), [(None, 720), ("20h", 20), ("700h", 700)])
@pytest.mark.parametrize("name", VALUES)
def test_a_state_weighs_about_what_is_said(name: str, window: str | None, rows: int) -> None:
    """The estimate is near what the state itself says after one row an hour, all of them different."""
    graph = fg.Graph("g", {"f": VALUES[name](fg.rows(Tick).over(window) if window else fg.rows(Tick))})
    steps = optimised(written(graph.compile().demands))
    (compute,) = steps.computes
    kept = kept_of(steps, compute, Load(), scanned=False)
    aggregate: Any = aggregate_for(compute.agg)
    state: Any = aggregate.zero(forgets=window is not None)
    grouped = isinstance(aggregate, Grouped)
    take: Callable[[int], Any] = TAKES.get((aggregate.aggregate if grouped else aggregate).takes, lambda i: i)
    for i in range(rows):
        x = f"s{i}" if name in ("distinct", "topk") else take(1_000 - i if name.startswith("max") else i)
        state.push(*((f"s{i}", x) if grouped else (x,)))
    assert 0.75 < kept.bytes / state.weight < 1.6


def test_every_aggregate_has_a_form() -> None:
    """What has no running state says so; everything else has a form."""
    running = {name for name, cls in CATALOGUE.items() if cls.invertible}
    assert running == {name.split(",")[0].split(" by")[0] for name in VALUES}


def test_the_passes_are_counted() -> None:
    """Eight chains of six computations on two events: each pass takes what its law says."""
    about = describe(load_graph(f"{PAGES}:pages").compile())
    operators = {line.name: astuple(line.cost)[:4] for line in about.passes}
    assert astuple(about.written)[:4] == (8, 8, 8, 8)
    assert operators["common sub-expressions"] == (6, 6, 6, 6)
    assert operators["fusion"] == (2, 2, 6, 6)
    assert operators["hierarchical filter"] == (2, 2, 4, 6)
    tests = {line.name: line.cost.tests for line in about.passes}
    # fused, each window and each filter looks at every row: 4 on 720 clicks, 2 on 24 searches
    assert tests["fusion"] == 2 * (4 * 720 + 24 + 24)
    # each filter looks at its rows once, and a range is a cut
    assert tests["hierarchical filter"] == 2 * 720 + 24 + 6
    values = {line.name: line.cost.values for line in about.passes}
    assert values["branch postponed"] == 720 * 6 + 24 * 2
    assert values["dead attributes"] == 720 * 3 + 24 * 2


def test_costs_never_grow_but_where_fusion_makes_windows_test_more() -> None:
    """No pass reads or decodes more than the one before; fusion costs tests until ranges are cut."""
    about = describe(load_graph(f"{PAGES}:pages").compile())
    costs = [about.written, *(line.cost for line in about.passes)]
    for before, after in pairwise(costs):
        assert after.rows <= before.rows
        assert after.values <= before.values
    assert costs[-1].tests < costs[0].tests


TICKS = fg.Graph("ticks", {"n": fg.rows(Tick).where(Tick.n > 1).over("1d").distinct(Tick.s)})


def tick(t: int, user: object = "b", **fields: object) -> dict[str, Any]:
    """Return one event."""
    return {"event": "tick", "ts_ms": t, "user_id": user, **fields}


def test_a_load_counts_the_rows_of_the_busiest_key() -> None:
    """Rows are those of one key, each once; what is no event counts for nothing."""
    events = [
        *(tick(t * HOUR, event_id=t) for t in range(48)),
        tick(0, event_id=1),
        tick(0, "a"),
        tick(0, None),
    ]
    events.append({"event": "tick", "ts_ms": "x", "user_id": "b"})
    load = counted(TICKS, events)
    assert load.words == "the 48 events of 'b', asked right after the last"
    assert (load.rows("tick", None), load.rows("tick", DAY), load.rows("tock", None)) == (48, 24, 0)
    assert load.rows("tick", 1) == 1
    assert counted(TICKS, events, "a").rows("tick", None) == 1
    for key in (None, "nobody"):
        with pytest.raises(fg.RequestError, match="found none"):
            counted(TICKS, [] if key is None else events, key)


def test_counted_events_say_which_rows_pass() -> None:
    """With events at hand, early drops and states are those of the rows that really pass; overflows stay."""
    events = [tick(t * HOUR, n=t % 4, s=str(t), page_id="p") for t in range(48)]
    load = counted(TICKS, events)
    wheres = optimised(written(TICKS.compile().demands)).reads[0].wheres
    assert (load.rows("tick", None, wheres), load.rows("tick", DAY, wheres)) == (24, 12)
    (line,) = describe(TICKS.compile(), load).aggregates
    assert line.state_bytes == 200 + 90 * 12
    doubled = fg.Graph("g", {"n": fg.rows(Tick).where(Tick.n + Tick.n > 9).count()})
    wild = counted(doubled, [tick(0, n=2**62), tick(1, n=1), tick(2, n=None)])
    assert wild.rows("tick", None, optimised(written(doubled.compile().demands)).reads[0].wheres) == 1


def test_the_command_counts_on_events(run: Any, tmp_path: Path) -> None:
    """`--events` counts on a recording; early drops then show in the values that are decoded."""
    file = tmp_path / "events.jsonl"
    pages = ["home", "cart", "other", "other"]
    rows = [
        {"event": "click", "ts_ms": t * HOUR, "user_id": "u", "page_id": pages[t % 4], "duration": t}
        for t in range(40)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = run("explain", f"{PAGES}:pages", "--events", file, "--json").json
    costs = {line["name"]: line["cost"] for line in found["passes"]}
    assert found["load"] == "the 40 events of 'u', asked right after the last"
    assert (costs["dead attributes"]["values"], costs["where before decode"]["values"]) == (40 * 3, 20 * 3)
    assert "the 40 events of 'u'" in run("explain", f"{PAGES}:pages", "--events", file).out
    for options in (("--key", "u"), ("--diff", PAGES, "--events", file), ("--events", file, "--key", "v")):
        ran = run("explain", f"{PAGES}:pages", *options)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
