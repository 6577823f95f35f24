"""How files come: fast enough, no longer than told, and after a cut only the rest."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from random import Random

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError

from deploy.trust.fetcher import Fetcher
from deploy.trust.pace import Bounds, Meter
from tests.trust.world import PATIENT, Request, World

SIZE = 400_000
CONTENT = Random(1).randbytes(SIZE)


def test_an_answer_is_fast_enough_by_windows() -> None:
    """Each window has its own bytes; before its end nothing is said; at its end the bytes must be there."""
    bounds = Bounds(window_s=10, least_bytes=100)
    meter = Meter(bounds, 0)
    assert meter.took(1, 9.9)
    assert meter.took(99, 10)
    assert meter.took(99, 19.9)
    assert not meter.took(0, 20)
    meter = Meter(bounds, 0)
    assert meter.took(1_000, 10)  # what came early is no stock for later
    assert not meter.took(99, 20)


class Place:
    """A large file on the server of a world, and who fetches it."""

    def __init__(self, world: World, partials: Path | None) -> None:
        self.server = world.server
        self.server.lies = {"/large": CONTENT}
        self.url = f"{world.server.url}/large"
        self.partials = partials
        self.fetcher = Fetcher(PATIENT, partials)
        world.fetchers.append(self.fetcher)

    def get(self, most: int = SIZE) -> bytes:
        """Return the file."""
        with self.fetcher.download_file(self.url, most) as file:
            return file.read()

    @property
    def partial(self) -> Path:
        """Return where a part of it lies."""
        assert self.partials is not None
        return self.partials / f"{hashlib.sha256(self.url.encode()).hexdigest()}.part"


@pytest.fixture
def place(world: World, tmp_path: Path) -> Place:
    """Give a large file, fetched into partial files."""
    return Place(world, tmp_path / "partials")


def test_four_cuts_cost_no_byte_twice(place: Place) -> None:
    """The server sends each byte once, in five answers; the next process goes on as well."""
    cuts = iter([90_000, 80_000, 70_000, 60_000])
    place.server.faults = {"/large": lambda request, content: request.whole(content, next(cuts, None))}
    assert place.get() == CONTENT
    assert place.server.sent <= 1.02 * SIZE
    assert len(place.server.asked) == 5
    assert not place.partial.exists()


def test_another_process_goes_on(place: Place, world: World) -> None:
    """Cut as often as one of them tries, it leaves what came for the next."""
    place.server.faults = {"/large": lambda request, content: request.whole(content, 50_000)}
    with pytest.raises(DownloadError, match="expected"):
        place.get()
    assert place.partial.stat().st_size == PATIENT.attempts * 50_000
    place.server.faults = {}
    assert Place(world, place.partials).get() == CONTENT
    assert place.server.sent == SIZE


@pytest.mark.parametrize(
    "there",
    [b"", CONTENT[:99], CONTENT, CONTENT + b"x", b"x" * 2 * SIZE],
    ids=["nothing", "a part", "all", "a byte more", "twice as much of something else"],
)
def test_whatever_part_is_there(there: bytes, place: Place) -> None:
    """A part is gone on with, a whole file is not asked for, too much is begun anew."""
    place.partials.mkdir()  # type: ignore[union-attr]
    place.partial.write_bytes(there)
    assert place.get() == CONTENT
    assert place.server.sent == (SIZE - len(there) if len(there) <= SIZE else SIZE)


def test_a_part_of_something_else_is_found_out_and_gone(place: Place) -> None:
    """Who looks at it refuses it; the next time it is fetched whole."""
    place.partials.mkdir()  # type: ignore[union-attr]
    place.partial.write_bytes(b"x" * 99)

    def look() -> None:
        assert place.get() == CONTENT

    with pytest.raises(AssertionError):
        look()
    assert not place.partial.exists()
    look()


def test_servers_that_know_no_ranges(place: Place) -> None:
    """They send all of it again, or say no: it is begun anew."""
    place.partials.mkdir()  # type: ignore[union-attr]

    def ignores(request: Request, content: bytes) -> None:
        request.head(200, len(content))
        request.body(content)

    def denies(request: Request, content: bytes) -> None:
        if request.headers.get("Range"):
            request.head(416, 0)
        else:
            request.whole(content)

    def shifts(request: Request, content: bytes) -> None:
        if request.headers.get("Range"):
            request.head(206, 10, **{"Content-Range": f"bytes 0-9/{SIZE}"})
            request.body(content[:10])
        else:
            request.whole(content)

    for fault in (ignores, denies, shifts):
        place.server.faults = {"/large": fault}
        place.partial.write_bytes(CONTENT[:1_000])
        assert place.get() == CONTENT


def test_what_is_too_long_or_not_there(place: Place) -> None:
    """Refused at once, with nothing left behind."""
    with pytest.raises(DownloadLengthMismatchError, match=f"at most {SIZE - 1} bytes"):
        place.get(SIZE - 1)
    place.server.lies = {"/large": None}
    with pytest.raises(DownloadHTTPError, match="found status 404"):
        place.get()
    assert not any(path.stat().st_size for path in place.partials.iterdir())  # type: ignore[union-attr]
    with pytest.raises(DownloadHTTPError, match="found status 404"):
        place.fetcher.download_bytes(place.url, SIZE)


def test_a_part_that_nobody_goes_on_with_goes(place: Place) -> None:
    """After two weeks; a younger one stays."""
    folder = place.partial.parent
    folder.mkdir()
    for name, age_s in (("old.part", 15 * 86_400), ("new.part", 86_400)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    assert place.get() == CONTENT
    assert {path.name for path in folder.glob("*.part")} == {"new.part"}


def test_without_a_folder_of_parts(world: World) -> None:
    """It is fetched all the same."""
    assert Place(world, None).get() == CONTENT
