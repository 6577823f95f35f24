"""Features whose windows on one type overlap by a given share: what there is to gain from sharing.

Feature number i on a type sees the hour that ends i steps before the query. With a step of an hour no two
windows meet; with a tenth of it each has nine tenths in common with the next.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from featuregraph.testing.workload.day import HOUR, begin
from featuregraph.testing.workload.feature import Feature, drawn
from featuregraph.testing.workload.services import Service, ServiceWork
from featuregraph.testing.workload.vocabulary import vocabulary

TYPES, PER_TYPE = 4, 10


def redundancy(share: float, seed: int = 1, *, user: str = "heavy", events: int = 20_000) -> ServiceWork:
    """Return ten features on each of the four commonest types, an hour each, with SHARE of it in common."""
    app = vocabulary(seed)
    rng = Random(f"redundancy {seed}")  # the same features for every share: only their windows move
    step_ms = round(HOUR * (1 - share))
    features: list[Feature] = []
    for type_ in app[:TYPES]:
        for place in range(PER_TYPE):
            made = drawn(rng, len(features), (type_.name,), "1h", type_.attributes)
            features.append(replace(made, offset=f"{place * step_ms}ms"))
    about = Service(f"redundancy {share:g}", "made", TYPES * PER_TYPE, TYPES, 1.0, ("1h",))
    return ServiceWork(about, seed, tuple(features), app, user, events, begin("night"))
