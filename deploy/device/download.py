"""One content over a network that cuts off: what came is kept, and the next request goes on behind it.

RFC 9110, section 14, for ranges. A part is not synced: if the power fails it may hold anything, which its
hash finds out.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from deploy.device import files
from deploy.device.network import BEYOND, MISSING, OK, PARTIAL, Network, Reply, number, refused
from deploy.errors import InstallError, NetworkError

_MOST_CUTS: Final = 8  # in one call; whoever calls waits before the next one
_MOST_IN_VAIN: Final = 2  # cuts in a row that brought nothing


def download(network: Network, path: str, part: Path, most: int, *, exactly: bool) -> bool:
    """Let PART hold what the service has at PATH; tell whether it has anything there.

    Args:
        network: where to ask.
        path: at the service.
        part: what there is of it already, if the file is there.
        most: bytes, at most.
        exactly: it has so many; else it ends where the service says.

    Raises:
        NetworkError: the network cut off too often; PART holds what came.
        InstallError: there is more of it; PART is gone.
        OSError: the disk refuses.
    """
    cuts = in_vain = 0
    while True:
        with files.opened(part) as handle:
            start = os.fstat(handle).st_size
            if start >= most:
                if exactly and start == most:
                    return True
                os.ftruncate(handle, 0)
                start = 0
            pour = _Pour(handle, start, most, exactly=exactly)
            try:
                if pour.all_of(network, path):
                    return True
                if pour.is_missing:
                    break
                error = NetworkError(f"{path}: expected all of it, found it cut at byte {pour.at}; ask again")
            except NetworkError as found:
                error = found
        cuts += 1
        in_vain = in_vain + 1 if pour.at <= start else 0
        if cuts > _MOST_CUTS or in_vain > _MOST_IN_VAIN or error.retry_after_s:
            raise error
    part.unlink(missing_ok=True)
    return False


class _Pour:
    """One answer poured behind what there is."""

    def __init__(self, handle: int, start: int, most: int, *, exactly: bool) -> None:
        self.handle = handle
        self.start = start
        self.at = start
        self.most = most
        self.end = most if exactly else None  # where it ends, once that is known
        self.is_missing = False

    def all_of(self, network: Network, path: str) -> bool:
        """Tell whether all is here now."""
        headers = {"range": f"bytes={self.start}-"} if self.start else {}
        with network.ask(path, headers) as reply:
            if reply.status == MISSING:
                self.is_missing = True
                return False
            if reply.status == BEYOND and self.start:
                os.ftruncate(self.handle, 0)  # it was of something else
                self.at = 0
                return False
            if reply.status not in (OK, PARTIAL):
                raise refused(path, reply)
            self._begin(path, reply)
            for chunk in reply.chunks:
                if self.at + len(chunk) > self.most:
                    os.ftruncate(self.handle, 0)
                    raise InstallError(
                        f"{path}: expected at most {self.most} bytes, found more; publish it again"
                    )
                files.write(self.handle, chunk, self.at)
                self.at += len(chunk)
        return self.end is None or self.at == self.end

    def _begin(self, path: str, reply: Reply) -> None:
        """Go to where the answer begins."""
        length = number(reply, "content-length")
        if reply.status == PARTIAL:
            told = reply.headers.get("content-range", "")
            if not told.startswith(f"bytes {self.start}-"):
                raise NetworkError(f"{path}: expected bytes from {self.start}, found {told!r:.60}; ask again")
        elif self.start:  # all of it anew
            os.ftruncate(self.handle, 0)
            self.at = 0
        if self.end is None and length is not None:
            self.end = self.at + length
