"""log1p and exp2 of doubles: fixed sequences of IEEE operations, so that all executors return the same bits.

A platform's own log1p and exp2 differ in the last bit from one libm to the next. These kernels use only +
- * and / in a fixed order, and frexp and ldexp, which are exact. No loop depends on data, so the same
steps run on whole arrays too (featuregraph.arrays): where a type says `Any`, a double or an array of doubles
stands. A number that one double cannot hold is an unevaluated sum of two, a value
and its tail: T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
Mathematik 18 (1971).

log1p(x), |x| >= 2**-54
 1. 1 + x = hi + lo                     exactly (Knuth's sum)
 2. hi + lo = 2**e * (m + l)            sqrt(1/2) <= m < sqrt(2)
 3. s = (m + l - 1) / (m + l + 1)       as a pair; |s| <= 0.1716
 4. log(m + l) = 2 atanh(s) = 2s + 2s z (1/3 + z/5 + z**2/7 + ...)   z = s**2 <= 0.02944
 5. + e * log(2), the parts added from large to small, rounded once

exp2(x), after P.-T. P. Tang, "Table-driven implementation of the exponential function in IEEE floating-point
arithmetic", ACM TOMS 15 (1989)
 1. x = e + j/16 + r                    exactly; 0 <= j < 16, |r| <= 1/32
 2. y = r * log(2)                      as a pair; |y| <= 0.0217
 3. 2**x = 2**e * T[j] * (1 + y + y**2/2 + y**3/6 + ...)   T[j] = 2**(j/16) as a pair
"""

from __future__ import annotations

from math import frexp, ldexp
from typing import Any, Final

_SPLIT: Final = 134217729.0  # 2**27 + 1: cuts a double into two halves of 26 bits
SQRT_HALF: Final = float.fromhex("0x1.6a09e667f3bcdp-1")
TINY: Final = 2.0**-54  # below it x is log1p(x) rounded, since x**2/2 < half the gap to x's neighbour

# log(2) twice: with 42 bits in front, so that its product with any exponent is exact; and rounded to nearest.
_LN2_HI, _LN2_LO = float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45")
_LN2, _LN2_TAIL = float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56")
_THIRD, _THIRD_TAIL = float.fromhex("0x1.5555555555555p-2"), float.fromhex("0x1.5555555555555p-56")

NEAREST: Final = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, half to even
BEYOND: Final = 1100.0  # 2**1100 and 2**-1100 lie outside the doubles, subnormal ones included
# 2**(j/16) rounded to nearest, and what is left of it.
POWERS: Final = tuple(
    (float.fromhex(hi), float.fromhex(lo))
    for hi, lo in (
        ("0x1.0000000000000p+0", "0x0.0p+0"),
        ("0x1.0b5586cf9890fp+0", "0x1.8a62e4adc610bp-54"),
        ("0x1.172b83c7d517bp+0", "-0x1.19041b9d78a76p-55"),
        ("0x1.2387a6e756238p+0", "0x1.9b07eb6c70573p-54"),
        ("0x1.306fe0a31b715p+0", "0x1.6f46ad23182e4p-55"),
        ("0x1.3dea64c123422p+0", "0x1.ada0911f09ebcp-55"),
        ("0x1.4bfdad5362a27p+0", "0x1.d4397afec42e2p-56"),
        ("0x1.5ab07dd485429p+0", "0x1.6324c054647adp-54"),
        ("0x1.6a09e667f3bcdp+0", "-0x1.bdd3413b26456p-54"),
        ("0x1.7a11473eb0187p+0", "-0x1.41577ee04992fp-55"),
        ("0x1.8ace5422aa0dbp+0", "0x1.6e9f156864b27p-54"),
        ("0x1.9c49182a3f090p+0", "0x1.c7c46b071f2bep-56"),
        ("0x1.ae89f995ad3adp+0", "0x1.7a1cd345dcc81p-54"),
        ("0x1.c199bdd85529cp+0", "0x1.11065895048ddp-55"),
        ("0x1.d5818dcfba487p+0", "0x1.2ed02d75b3707p-55"),
        ("0x1.ea4afa2a490dap+0", "-0x1.e9c23179c2893p-54"),
    )
)


def residue(a: Any, b: Any, product: Any) -> Any:
    """Return a * b - PRODUCT exactly, where PRODUCT is a * b rounded (Dekker)."""
    c = _SPLIT * a
    a1 = c - (c - a)
    a2 = a - a1
    c = _SPLIT * b
    b1 = c - (c - b)
    b2 = b - b1
    return a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def log1p(x: float) -> float | None:
    """Return log(1 + X) of a finite X, None outside its domain X > -1; at most 1 ulp from the exact value."""
    if not x > -1.0:
        return None
    if -TINY < x < TINY:
        return x + 0.0
    hi = 1.0 + x
    t = hi - 1.0
    lo = (1.0 - (hi - t)) + (x - t)
    m, e = frexp(hi)
    if m < SQRT_HALF:
        m, e = m * 2.0, e - 1
    result: float = log_of(m, ldexp(lo, -e), e)
    return result


def log_of(m: Any, lo: Any, e: Any) -> Any:
    """Return log(2**E * (M + LO)), M from sqrt(1/2) to sqrt(2), LO far below it: steps 3 to 5."""
    # s = above / (2 + above), where above = m + lo - 1
    f = m - 1.0
    above = f + lo
    above_tail = lo - (above - f)
    below = 2.0 + above
    below_tail = (above - (below - 2.0)) + above_tail
    s = above / below
    p = s * below
    s_tail = (((above - p) - residue(s, below, p)) + above_tail - s * below_tail) / below
    z = s * s
    z_tail = residue(s, s, z) + 2.0 * s * s_tail
    # The series from z/5 on is below 0.006: one double holds it to 2**-60 of 1/3.
    w = 1 / 19 + z * (1 / 21 + z * (1 / 23 + z * (1 / 25)))
    w = 1 / 11 + z * (1 / 13 + z * (1 / 15 + z * (1 / 17 + z * w)))
    w = z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * w)))
    c = _THIRD + w
    c_tail = (w - (c - _THIRD)) + _THIRD_TAIL
    g = z * c
    g_tail = residue(z, c, g) + (z * c_tail + z_tail * c)
    k = s * g
    k_tail = residue(s, g, k) + (s * g_tail + s_tail * g)
    # e log(2) + 2s + 2k: each sum keeps its rounding error for the last addition
    a, b, c = e * _LN2_HI, 2.0 * s, 2.0 * k
    first = a + b
    first_tail = b - (first - a)
    total = first + c
    total_tail = c - (total - first)
    return total + (total_tail + (first_tail + (2.0 * (s_tail + k_tail) + e * _LN2_LO)))


def exp2(x: float) -> float:
    """Return 2**X, 0.0 below and infinity above the doubles; at most 1 ulp from the exact value."""
    x = min(max(x, -BEYOND), BEYOND)
    sixteenths = (x * 16.0 + NEAREST) - NEAREST
    r = x - sixteenths * 0.0625
    e, j = divmod(int(sixteenths), 16)
    # Two factors, since 2**e alone may lie outside the doubles. Only the last product rounds.
    half = e // 2
    result: float = power_of(r, *POWERS[j]) * ldexp(1.0, half) * ldexp(1.0, e - half)
    return result


def power_of(r: Any, power: Any, power_tail: Any) -> Any:
    """Return 2**R times the pair POWER and POWER_TAIL, R at most 1/32 in size: steps 2 and 3."""
    y = r * _LN2
    y_tail = residue(r, _LN2, y) + r * _LN2_TAIL
    bend = 1 / 120 + y * (1 / 720 + y * (1 / 5040 + y * (1 / 40320)))
    bend = y * y * (1 / 2 + y * (1 / 6 + y * (1 / 24 + y * bend)))
    p = power * y
    total = power + p
    tail = (p - (total - power)) + (residue(power, y, p) + (power * (y_tail + bend) + power_tail * (1.0 + y)))
    return total + tail
