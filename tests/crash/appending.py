"""A process that appends to a log until it is killed, and says of each event that it was taken.

Arguments: PATH SYNC FIRST. A line "FIRST-LAST" is written for each append that has returned.
"""

from __future__ import annotations

import os
import sys

from stream.log import EventLog


def main() -> None:
    """Append events numbered from FIRST on, in calls of one to five."""
    path, sync, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    log = EventLog(path, sync="full" if sync == "full" else "batch")
    while True:
        last = number + number % 5
        log.append_many(
            {"event": f"e{i % 3}", "ts_ms": i, "user_id": "u", "event_id": str(i), "call": f"{number}-{last}"}
            for i in range(number, last + 1)
        )
        os.write(1, f"{number}-{last}\n".encode())
        number = last + 1


if __name__ == "__main__":
    main()
