"""What a plan does, told to people and to machines: what is shared, what is scanned, what is kept.

`describe` gives it as data, `explain` as text; each section of the text is one function on that data.
"""

from __future__ import annotations

from featuregraph.explain.change import Change, Changed, change, change_text
from featuregraph.explain.description import Description, describe
from featuregraph.explain.text import explain

__all__ = ["Change", "Changed", "Description", "change", "change_text", "describe", "explain"]
