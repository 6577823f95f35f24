"""A query's parts as a caller gives them, checked; and one as it is recorded, put to an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from featuregraph import RequestError
from featuregraph.convert import BAD, converter
from featuregraph.shown import shown
from featuregraph.types import IDENTIFIER, INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from featuregraph import FeatureVector
    from stream.engine import Engine

Query = Mapping[str, Any]  # key, t, request, as_known, history_start_ms (GRAPH_JSON)

_identifier = converter(IDENTIFIER)


def key_of(given: object) -> str:
    """Return GIVEN as a key; raise RequestError if it is none."""
    text = _identifier(given)
    if text is None or text is BAD:
        raise RequestError(
            f"expected a key as text or a whole number, found {shown(given)}; pass the user's id"
        )
    return str(text)


def time_of(given: object, what: str) -> int:
    """Return GIVEN, the time WHAT of a query in ms; raise RequestError if it is none."""
    if type(given) is not int or not INT64_MIN <= given <= INT64_MAX:
        raise RequestError(
            f"expected {what} as int64 milliseconds, found {shown(given)}; pass a whole number"
        )
    return given


def name_of(given: object, longest: int, *, record: bool) -> str:
    """Return GIVEN, a caller's own name of a request that is to be on RECORD, of LONGEST characters at most.

    Raises:
        RequestError: it is no text, is longer, or there is no record that it could stand in.
    """
    if not record:
        raise RequestError(
            f"expected record=True beside a request_id, found {shown(given)} alone; pass both or none"
        )
    name = _identifier(given)
    if not isinstance(name, str) or len(name) > longest:
        raise RequestError(
            f"expected request_id as text of at most {longest} characters, found {shown(given)};"
            " give another one"
        )
    return name


def ask(engine: Engine, graph_id: str, key: str, query: Query) -> FeatureVector:
    """Return what ENGINE says of the plan GRAPH_ID at QUERY, asked for KEY."""
    return engine.extract(
        graph_id,
        key=key,
        at_ms=query["t"],
        request=query.get("request"),
        as_known=bool(query.get("as_known")),
        history_start_ms=query.get("history_start_ms"),
    )
