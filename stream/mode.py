"""How the engine computes values, and never what they are: equal to the reference in every mode.

naive        per feature and aggregate: retrieve, decode, filter, compute
fused        one retrieval per reach, one decoding per event, filters and windows shared
cached       fused, with the decoded rows of events kept from query to query, as the memory budget allows
incremental  cached, with running states: a query costs the rows that came and went
auto         incremental as far as the memory budget goes, chosen node by node; fused for the rest
"""

from __future__ import annotations

from typing import Literal, get_args

Mode = Literal["naive", "fused", "cached", "incremental", "auto"]
MODES: tuple[Mode, ...] = get_args(Mode)
KEEPING: frozenset[Mode] = frozenset({"cached", "incremental", "auto"})
RUNNING: frozenset[Mode] = frozenset({"incremental", "auto"})
