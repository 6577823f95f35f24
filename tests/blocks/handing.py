"""A process that hands events over to the writer of a log until it is killed, and says of each that it was.

Arguments: PATH NAME FIRST. A line "FIRST-LAST" is written for each append that has returned.
"""

from __future__ import annotations

import os
import sys

from stream.log import EventLog


def main() -> None:
    """Append events numbered from FIRST on, in calls of one to five."""
    path, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    log = EventLog(path, shared=True)
    while True:
        last = number + number % 5
        log.append_many(
            {"event": "e", "ts_ms": i, "user_id": name, "event_id": f"{name}-{i}"}
            for i in range(number, last + 1)
        )
        os.write(1, f"{number}-{last}\n".encode())
        number = last + 1


if __name__ == "__main__":
    main()
