"""Reports that wait for the network: on the disk, in bounds, the latest ones."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from deploy import canonical
from deploy.device import files
from deploy.wire.report import MAX_BODY, MAX_REPORTS, Report, Reports

_MOST: Final = MAX_REPORTS
_ROOM: Final = MAX_BODY - 1_024  # bytes of the reports in one batch


class Outbox:
    """The reports of one folder; a full disk holds them in memory until the next one."""

    def __init__(self, path: Path) -> None:
        """Read those that PATH holds; what is damaged there is passed over."""
        self._path = path
        self._waiting: list[Report] = []
        self._lines: dict[str, bytes] = {}  # each as JSON, by its id
        with suppress(OSError):
            for line in path.read_bytes().splitlines():
                with suppress(msgspec.MsgspecError, ValueError):
                    self._keep(msgspec.json.decode(line, type=Report))

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: Report) -> None:
        """Keep REPORT; beyond the bound the oldest goes, of those that only count first."""
        self._keep(report)
        if len(self._waiting) > _MOST:
            counting = (place for place, one in enumerate(self._waiting[:-1]) if one.state == "alive")
            del self._waiting[next(counting, 0)]
        self._write()

    def batch(self) -> Reports:
        """Return the oldest that fit one batch; it may be empty."""
        size, found = 0, []
        for report in self._waiting:
            size += len(self._lines[report.id]) + 1
            if size > _ROOM:
                break
            found.append(report)
        return Reports(tuple(found))

    def taken(self, batch: Reports) -> None:
        """Let go of a BATCH that the service has."""
        ids = {report.id for report in batch.reports}
        self._waiting = [report for report in self._waiting if report.id not in ids]
        self._write()

    def _keep(self, report: Report) -> None:
        self._waiting.append(report)
        self._lines[report.id] = canonical.encode(report)

    def _write(self) -> None:
        self._lines = {report.id: self._lines[report.id] for report in self._waiting}
        with suppress(OSError):
            files.put(self._path, b"\n".join(self._lines.values()))
