"""The value of a rank in ranges of any width: a wavelet matrix (Claude and others, Inf. Syst. 47, 2015).

Values are numbers of BITS bits. Bit by bit, the highest first, all values with a 0 go before all with
a 1, both in their order: each range becomes one of those with a 0 and one of those with a 1, of which one
holds the rank.
"""

from __future__ import annotations

import numpy as np

from featuregraph.arrays.column import Array


def ranked(codes: Array, lo: Array, hi: Array, rank: Array) -> Array:
    """Return the number of RANK, from 0, among CODES from LO to before HI; anything of empty ranges."""
    found = np.zeros(len(lo), np.int64)
    for bit in reversed(range(int(codes.max(initial=0)).bit_length())):
        upper = (codes >> bit) & 1 == 1
        zeros = np.zeros(len(codes) + 1, np.int32)  # before each of CODES
        np.cumsum(~upper, out=zeros[1:])
        first, behind = zeros[lo], zeros[hi]
        inside = behind - first
        goes_up = rank >= inside
        found |= goes_up.astype(np.int64) << bit
        rank = np.where(goes_up, rank - inside, rank)
        lo = np.where(goes_up, zeros[-1] + lo - first, first)
        hi = np.where(goes_up, zeros[-1] + hi - behind, behind)
        codes = np.concatenate((codes[~upper], codes[upper]))
    return found
