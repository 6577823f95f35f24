"""One feature graph, one meaning: the user's words, the contract's reference, and the plan that runs."""

from __future__ import annotations

import importlib
import typing

from featuregraph.errors import (
    CompileError,
    EventError,
    FeatureGraphError,
    FeatureOverflowError,
    RequestError,
    TableError,
)
from featuregraph.expr import Expr, GroupedExpr, GroupedWindows, Windows, lit
from featuregraph.functions import age, cross, day_of_week, event_name, hour_of_day, now, ts_ms, where
from featuregraph.graph import Graph, GraphDiff
from featuregraph.plan import Plan
from featuregraph.rows import (
    GroupedRows,
    GroupedWindowRows,
    LastRows,
    LastWindowRows,
    Rows,
    WindowRows,
    rows,
)
from featuregraph.schema import (
    Candidate,
    Event,
    Field,
    Request,
    boolean,
    candidate,
    category,
    decimal,
    float64,
    identifier,
    int64,
    request,
    string,
    timestamp,
    vector,
)
from featuregraph.tables import LookUp, Table
from featuregraph.vector import FeatureSource, FeatureVector, RecordingSource

if typing.TYPE_CHECKING:
    from featuregraph import reference as reference

__all__ = [
    "Candidate",
    "CompileError",
    "Event",
    "EventError",
    "Expr",
    "FeatureGraphError",
    "FeatureOverflowError",
    "FeatureSource",
    "FeatureVector",
    "Field",
    "Graph",
    "GraphDiff",
    "GroupedExpr",
    "GroupedRows",
    "GroupedWindowRows",
    "GroupedWindows",
    "LastRows",
    "LastWindowRows",
    "LookUp",
    "Plan",
    "RecordingSource",
    "Request",
    "RequestError",
    "Rows",
    "Table",
    "TableError",
    "WindowRows",
    "Windows",
    "age",
    "boolean",
    "candidate",
    "category",
    "cross",
    "day_of_week",
    "decimal",
    "event_name",
    "float64",
    "hour_of_day",
    "identifier",
    "int64",
    "lit",
    "now",
    "reference",
    "request",
    "rows",
    "string",
    "timestamp",
    "ts_ms",
    "vector",
    "where",
]


def __getattr__(name: str) -> object:
    """Import the reference evaluator when somebody asks for it: a device never does."""
    if name == "reference":
        return importlib.import_module("featuregraph.reference")
    if name in ("sessions", "pages"):
        raise AttributeError(f"fg.{name}: derived streams are not part of this version; use plain events")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
