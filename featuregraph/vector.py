"""What one extraction gives: the place where stream and inference meet without knowing each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from featuregraph.errors import UnknownFeatureError
from featuregraph.shown import nearest, shown


class FeatureVector(msgspec.Struct, frozen=True):
    """The features of one query as owned public values, with the graph and the time they stand for.

    Values: decimal as Decimal, sequence as dict of lists, map as dict, vector as list of floats; the value
    of a feature that uses a candidate is a list with one element per candidate.
    """

    values: dict[str, object]
    graph_id: str
    at_ms: int
    known_until: int | None = None  # the greatest known_ms that the log's clock had given, ms
    partial: tuple[str, ...] = ()  # features whose window begins before the history held (SEMANTICS 3.5)

    def __getitem__(self, feature: str) -> object:
        """Return the value of FEATURE; raise UnknownFeatureError, a KeyError, if there is none."""
        try:
            return self.values[feature]
        except KeyError:
            raise UnknownFeatureError(
                f"expected a feature of the vector, found {shown(feature)}; {nearest(feature, self.values)}"
            ) from None


class FeatureSource(Protocol):
    """Whatever can extract features: the device engine, a replayed table, a fake in a test."""

    def extract(
        self,
        graph_id: str,
        *,
        key: object = None,
        at_ms: int | None = None,
        request: Mapping[str, object] | None = None,
        candidates: Mapping[str, Sequence[object]] | None = None,
    ) -> FeatureVector:
        """Return the features of GRAPH_ID for one key at one time; candidate lists have one length."""
        ...


class RecordingSource(Protocol):
    """A feature source that can keep what it answered, as the device engine can."""

    def extract(
        self,
        graph_id: str,
        *,
        key: object = None,
        at_ms: int | None = None,
        request: Mapping[str, object] | None = None,
        candidates: Mapping[str, Sequence[object]] | None = None,
        record: bool = False,
        request_id: str | None = None,
    ) -> FeatureVector:
        """Do as a FeatureSource; with RECORD keep the answer, under the caller's REQUEST_ID."""
        ...
