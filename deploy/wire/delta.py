"""A file as a difference to an older one: zstd with the old content as its dictionary ("patch-from"). Pure.

RFC 8878 for the format. Both contents are in memory, so that only files up to a bound have deltas. Whoever
applies one verifies the hash of the result: a delta is believed for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from deploy.errors import WireError

MAX_DELTA_FILE: Final = 64 << 20  # bytes of either content
LEAST_DELTA_FILE: Final = 4 << 10  # below it a delta saves no packet
WORTH: Final = 0.70  # of the full size: a delta that is larger is not offered, and not taken
_LEVEL: Final = 19
_PIECE: Final = 1 << 18  # bytes between two looks at whether to go on
_MOST_WINDOW_LOG: Final = 27  # 128 MiB: both contents of the largest size


def is_possible(old_bytes: int, new_bytes: int) -> bool:
    """Tell whether files of these sizes may have a delta."""
    return 0 < old_bytes <= MAX_DELTA_FILE and LEAST_DELTA_FILE <= new_bytes <= MAX_DELTA_FILE


def most_bytes(new_bytes: int) -> int:
    """Return how large a delta to a file of NEW_BYTES may be."""
    return int(WORTH * new_bytes)


def make_delta(old: bytes, new: bytes, go_on: Callable[[], bool] = lambda: True) -> bytes | None:
    """Return what makes NEW of OLD; None where that is not worth it, or once GO_ON says no."""
    if not is_possible(len(old), len(new)):
        return None
    import zstandard as zstd

    window_log = min(_MOST_WINDOW_LOG, max(10, (len(old) + len(new)).bit_length()))
    parameters = zstd.ZstdCompressionParameters.from_level(
        _LEVEL, source_size=len(new), dict_size=len(old), window_log=window_log, enable_ldm=True
    )
    before = zstd.ZstdCompressionDict(old, dict_type=zstd.DICT_TYPE_RAWCONTENT)
    pour = zstd.ZstdCompressor(dict_data=before, compression_params=parameters).compressobj(size=len(new))
    delta, content, most = bytearray(), memoryview(new), most_bytes(len(new))
    for at in range(0, len(new), _PIECE):
        if not go_on():
            return None
        delta += pour.compress(content[at : at + _PIECE])
        if len(delta) > most:
            return None
    delta += pour.flush()
    return bytes(delta) if len(delta) <= most else None


def apply_delta(old: bytes, delta: bytes, size: int) -> bytes:
    """Return the content of SIZE bytes that DELTA makes of OLD, unverified.

    Raises:
        WireError: it is no delta, or of another content; never more than SIZE bytes are made.
    """
    import zstandard as zstd

    before = zstd.ZstdCompressionDict(old, dict_type=zstd.DICT_TYPE_RAWCONTENT)
    reader = zstd.ZstdDecompressor(dict_data=before, max_window_size=1 << _MOST_WINDOW_LOG)
    try:
        with reader.stream_reader(delta) as stream:
            found = stream.read(size + 1)
    except zstd.ZstdError as error:
        raise WireError(f"delta: expected one to this content, found: {error}; fetch all of it") from error
    if len(found) != size:
        raise WireError(f"delta: expected {size} bytes, found {len(found)} or more; fetch all of it")
    return found
