"""A Why as tables for people: each aggregate's rows with their clauses, and the arithmetic to the value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from featuregraph import Graph
from featuregraph.infix import infix, name_of
from featuregraph.ir import Node
from featuregraph.times import format_time
from featuregraph.values import json_value
from featuregraph.why import AggregateTrace, RowVerdict, Why

VERDICT = "verdict"  # the one column whose cells may be folded


@dataclass(frozen=True, slots=True)
class Shown:
    """One aggregate's table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: int  # rows that are left out


def tables(why: Why, most: int | None) -> Iterator[Shown]:
    """Give a table per aggregate of WHY, of MOST rows at most (None: all): kept ones first, latest first."""
    for number, trace in enumerate(why.aggregates, 1):
        rows = sorted(trace.rows, key=lambda row: (not row.kept, -row.ts_ms, -row.seq))
        shown = rows if most is None else rows[:most]
        fields = tuple(dict.fromkeys(name for row in trace.rows for name in row.fields))
        yield Shown(
            title=f"a{number} = {infix(trace.node)}",
            columns=(VERDICT, "time", "seq", "event", *fields),
            rows=tuple(_row(row, fields) for row in shown),
            more=len(rows) - len(shown),
        )


def _row(row: RowVerdict, fields: Sequence[str]) -> tuple[object, ...]:
    verdict = row.reason if row.kept else f"{row.clause} {row.reason}"
    return (verdict, format_time(row.ts_ms), row.seq, row.event, *(_text(row.fields.get(f)) for f in fields))


def arithmetic(graph: Graph, why: Why) -> Iterator[str]:
    """Give the lines from each aggregate's value to the feature's."""
    node = graph.features[why.feature]
    names: dict[Node, str] = {}
    for number, trace in enumerate(why.aggregates, 1):
        kept = f"{trace.kept} of {len(trace.rows)} rows"
        yield f"a{number} = {_outcome(trace.value, trace.overflow)}    ({kept})"
        names[trace.node] = f"a{number}"
    if node not in names:
        yield f"{name_of(why.feature)} = {infix(node, names)}"
    notes = [
        (why.partial, ", partial: its window begins before the history"),
        (why.unknown, ", not known: it looks past the end of the log"),
    ]
    told = "".join(text for holds, text in notes if holds)
    yield f"{name_of(why.feature)} = {_outcome(why.value, why.overflow)}{told}"


def _outcome(value: object, overflow: bool) -> str:  # noqa: FBT001 - a value and what it means
    return "overflow: it does not fit its type" if overflow else _text(value)


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_text(k)}: {_text(v)}' for k, v in value.items())}}}"
    return str(value)


def as_json(graph: Graph, why: Why) -> dict[str, object]:
    """Return WHY for machines: every row, values as GRAPH_JSON writes them."""
    node = graph.features[why.feature]
    return {
        "graph": graph.id,
        "feature": why.feature,
        "key": why.key,
        "t": why.t,
        "expression": infix(node),
        "value": None if why.overflow else json_value(node.type, why.value, per_candidate=node.per_candidate),
        "overflow": why.overflow,
        "partial": why.partial,
        "unknown": why.unknown,
        "aggregates": [_aggregate(trace) for trace in why.aggregates],
    }


def _aggregate(trace: AggregateTrace) -> dict[str, object]:
    return {
        "expression": infix(trace.node),
        "value": None if trace.overflow else json_value(trace.node.type, trace.value),
        "overflow": trace.overflow,
        "kept": trace.kept,
        "rows": [
            {
                "event": row.event,
                "ts_ms": row.ts_ms,
                "seq": row.seq,
                "event_id": row.event_id,
                "kept": row.kept,
                "clause": row.clause or None,
                "reason": row.reason,
                "fields": row.fields,
            }
            for row in trace.rows
        ],
    }
