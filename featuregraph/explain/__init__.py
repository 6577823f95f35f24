"""What a plan does, told to people and to machines: what is shared, what is scanned, what is kept.

`describe` gives it as data, `explain` as text, `page` as a page of HTML with the graph drawn,
`network` as a graph of networkx.
"""

from __future__ import annotations

from featuregraph.explain.change import Change, Changed, change, change_text
from featuregraph.explain.description import Description, describe
from featuregraph.explain.html import page
from featuregraph.explain.load import Load, counted
from featuregraph.explain.network import network
from featuregraph.explain.text import explain

__all__ = [
    "Change",
    "Changed",
    "Description",
    "Load",
    "change",
    "change_text",
    "counted",
    "describe",
    "explain",
    "network",
    "page",
]
