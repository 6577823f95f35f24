"""The reference evaluator: SEMANTICS clause by clause, brute force, standard library only.

events.py is section 1 (and 8.1, 11.1), fields.py section 2, rows.py section 3, aggregates.py section 4,
operators.py and zones.py section 5, tables.py section 10, several.py clause 11.2; labels (section 9) are rows
on the other side of t, beside those before it; expressions.py puts them together, exact.py holds the numbers.
What it gives is what every other executor must give. It shares no code with them but the nodes of a graph
and the kernel of transcendental functions (5.5), and trades all speed for being easy to believe.
"""

from __future__ import annotations

from featuregraph.reference.answers import Answer, answer, evaluate, value
from featuregraph.reference.events import Log
from featuregraph.reference.several import together
from featuregraph.reference.tables import Table, opened

__all__ = ["Answer", "Log", "Table", "answer", "evaluate", "opened", "together", "value"]
