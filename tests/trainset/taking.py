"""What memory a training set takes: python taking.py FOLDER MEMORY NEGATIVES, with events.parquet in FOLDER.

Prints the largest MiB that the process had, or what it refused, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import featuregraph as fg
from stream import BackfillError, Recipe, training_set

VIEW = fg.Event.of("view", {"item_id": "identifier"})
BUY = fg.Event.of("buy", {"item_id": "identifier"})


class Item(fg.Candidate):
    """An item that may be shown."""

    item_id = fg.identifier()


FEATURES = {
    "views": fg.rows(VIEW).over("1h").count(),
    "seen": fg.rows(VIEW).group_by(VIEW["item_id"]).count().lookup(Item.item_id),
}


def peak() -> int:
    """Return the most MiB that this process ever held."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) >> 10


def main(folder: Path, memory: str, negatives: int) -> None:
    """Make a training set of the events in FOLDER within MEMORY, "" for no bound."""
    plan, recipe = fg.Graph("g", FEATURES).compile(), Recipe("buy", negatives=negatives)
    found: dict[str, object] = {}
    try:
        card = training_set(plan, folder / "events.parquet", folder / "set", recipe, memory=memory or None)
        found["rows"] = card.rows
    except BackfillError as error:
        found["refused"] = str(error)
    print(json.dumps({**found, "mib": peak()}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
