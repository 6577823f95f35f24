"""The laws of featuregraph.aggregates, for every aggregate of the catalogue, against sums of fractions."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from featuregraph import build
from featuregraph.aggregates import CATALOGUE, Aggregate, Grouped, aggregate, aggregate_for, grid
from featuregraph.aggregates.sequence import NO_KEY, LatestRows
from featuregraph.aggregates.sequence import Sequence as Latest
from featuregraph.scalar import OVERFLOW
from featuregraph.types import (
    BOOLEAN,
    FLOAT64,
    INT64,
    INT64_MAX,
    INT64_MIN,
    STRING,
    TIMESTAMP,
    Type,
    decimal,
)

pytestmark = pytest.mark.device

T = 1000  # the query time of every case, ms
NUMBERS = (INT64, FLOAT64, decimal(2))
ANY = (FLOAT64, STRING, BOOLEAN)
X_TYPES = {"none": (None,), "optional": (None, STRING), "any": ANY, "number": NUMBERS}
PARAMETERS: dict[str, tuple[dict[str, Any], ...]] = {
    "topk": ({"k": 2},),
    "quantile": ({"q": "0.3"},),
    "sequence": ({"n": 2}, {"n": 2, "distinct": STRING}),
    "decayed_sum": ({"half_life": 7},),
}
PLAIN = [
    aggregate(name, x, params)
    for name in CATALOGUE
    for x in X_TYPES[build.AGGREGATES[name][0]]
    for params in PARAMETERS.get(name, ({},))
]
GROUPED = [Grouped(a, STRING) for a in PLAIN if a.name not in build.UNGROUPED and a.x in (None, FLOAT64)]
SUBJECTS: list[Aggregate | Grouped] = [*PLAIN, *GROUPED]
every = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
few = settings(max_examples=15)  # of each of some fifty subjects

Subject = Aggregate | Grouped
Row = tuple[Any, ...]  # the arguments of push: (x,), or (group, x)

# ---------------------------------------------------------------- rows

LARGEST, SMALLEST = sys.float_info.max, Decimal(2) ** -1074

NASTY = [0.0, 0.1, -0.1, 0.3, 1e16, -1e16, 1.0, 2.0**-75, 2.0**-76, -(2.0**-77), 5e-324, -5e-324, 2.5e-308]
# The last bit of a double falls off the coarse grid right below 2**-76.
NASTY += [2.0**-76, 2.0**-76 * (1 + 2.0**-52), 2.0**-76 * (1 - 2.0**-53), -(2.0**-77) * (1 + 2.0**-52)]
NASTY += [
    1e308,
    -1e308,
    LARGEST,
    -LARGEST,
    2.0**895,
    2.0**896,
    1e-30,
    2.0**52 + 0.5,
]
WHOLE = st.one_of(
    st.integers(-3, 3), st.integers(INT64_MIN, INT64_MAX), st.sampled_from([INT64_MIN, INT64_MAX])
)
FLOATS = st.one_of(
    st.sampled_from(NASTY),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0),
    st.integers(-500, 500).map(lambda n: n / 100),
)
TEXTS = st.sampled_from(["", "a", "b", "B", "é", "\uff5e", "\U0001f600", "\ud800"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float64": FLOATS,
    "string": TEXTS,
    "boolean": st.booleans(),
    "int64": WHOLE,
    "decimal": WHOLE,
    "timestamp": WHOLE,
}
TIMES = st.one_of(st.integers(0, T), st.sampled_from([INT64_MIN, INT64_MAX, -(10**15)]))
PAST = st.one_of(st.integers(0, T), st.sampled_from([INT64_MIN, -(10**15)]))


def rows_of(subject: Subject) -> st.SearchStrategy[list[Row]]:
    """Return lists of rows as SUBJECT takes them; some lists hold overflows."""
    if isinstance(subject, Grouped):
        groups = st.one_of(st.sampled_from("abc"), st.none())
        clean: st.SearchStrategy[Row] = st.tuples(groups, x_of(subject.aggregate, st.none()))
        rough = st.none() | st.just(OVERFLOW)
        dirty: st.SearchStrategy[Row] = st.tuples(groups | st.just(OVERFLOW), x_of(subject.aggregate, rough))
    else:
        clean = st.tuples(x_of(subject, st.none()))
        dirty = st.tuples(x_of(subject, st.none() | st.just(OVERFLOW)))
    return st.lists(clean, max_size=14) | st.lists(st.one_of(clean, clean, dirty), max_size=8)


def x_of(subject: Aggregate, others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what one row gives to an aggregate; OTHERS are what x may be beside a value."""
    if subject.name == "count" and subject.x is None:
        return st.none()
    value = st.one_of(VALUES[subject.x.kind if subject.x else "int64"], others)
    match subject.takes:
        case "ts":
            return TIMES
        case "ts_x":
            return st.tuples(PAST, value)
        case "key_row":
            return st.tuples(st.one_of(st.sampled_from("abcd"), others), st.tuples(st.integers(0, 9), others))
        case _:
            return value


# ---------------------------------------------------------------- what the contract says, from fractions


def nearest(exact: Fraction) -> Any:
    """Return the double nearest to EXACT, ties to even, OVERFLOW if there is none."""
    exponent = max(-1074, exact.numerator.bit_length() - exact.denominator.bit_length() - 53)
    while abs(exact) >= Fraction(2) ** (exponent + 53):
        exponent += 1
    try:
        return math.ldexp(round(exact / Fraction(2) ** exponent), exponent) + 0.0
    except OverflowError:
        return OVERFLOW


def int64(number: int) -> Any:
    """Return NUMBER, OVERFLOW outside int64."""
    return number if INT64_MIN <= number <= INT64_MAX else OVERFLOW


def exact(x: Type | None, value: Any) -> Fraction:
    """Return the number that an internal value stands for."""
    return Fraction(value) / Fraction(10) ** (x.scale if x else 0)


def variance(numbers: Sequence[Fraction]) -> Any:
    """Return the population variance, rounded once."""
    middle = sum(numbers, Fraction(0)) / len(numbers)
    return nearest(sum(((n - middle) ** 2 for n in numbers), Fraction(0)) / len(numbers))


def code_points(value: Any) -> Any:
    """Return what orders values: text by its UTF-8 bytes."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def most_frequent(xs: list[Any], k: int) -> list[Any]:
    """Return the K most frequent of XS, ties by latest occurrence first."""
    latest = {x: place for place, x in enumerate(xs)}
    return sorted(latest, key=lambda x: (xs.count(x), latest[x]), reverse=True)[:k]


Meaning = Callable[[Any, list[Any]], Any]
MEANING: dict[str, Meaning] = {
    "count": lambda a, xs: len(xs),
    "sum": lambda a, xs: nearest(sum(map(Fraction, xs), Fraction(0))) if a.x == FLOAT64 else int64(sum(xs)),
    "mean": lambda a, xs: nearest(sum((exact(a.x, x) for x in xs), Fraction(0)) / len(xs)) if xs else None,
    "var": lambda a, xs: variance([exact(a.x, x) for x in xs]) if xs else None,
    "min": lambda a, xs: min(xs, key=code_points, default=None),
    "max": lambda a, xs: max(xs, key=code_points, default=None),
    "first": lambda a, xs: xs[0] if xs else None,
    "last": lambda a, xs: xs[-1] if xs else None,
    "distinct": lambda a, xs: len(set(xs)),
    "topk": lambda a, xs: most_frequent(xs, a.k),
    "quantile": lambda a, xs: sorted(xs)[math.ceil(Fraction(a.q) * len(xs)) - 1] if xs else None,
    "since_last": lambda a, xs: int64(T - xs[-1]) if xs else None,
    "since_first": lambda a, xs: int64(T - xs[0]) if xs else None,
}


def std_of(subject: Any, xs: list[Any]) -> Any:
    """Return the root of the rounded variance."""
    var = MEANING["var"](subject, xs)
    return var if var is None or var is OVERFLOW else math.sqrt(var)


def sequence_of(subject: Any, pairs: list[Any]) -> Any:
    """Return the rows that a sequence shows, oldest first."""
    if subject.distinct is not None:
        later = [{key for key, _ in pairs[place + 1 :]} for place in range(len(pairs))]
        pairs = [p for p, keys in zip(pairs, later, strict=True) if p[0] is not None and p[0] not in keys]
    return [row for _, row in pairs[-subject.n :]]


MEANING |= {"std": std_of, "sequence": sequence_of}


def meaning(subject: Any, xs: list[Any]) -> Any:
    """Return the value of the rows XS at T as SEMANTICS 4 words it."""
    if subject.takes == "key_row":
        broken = any(key is OVERFLOW for key, _ in xs)
    else:
        broken = OVERFLOW in xs
        xs = xs if subject.name == "count" and subject.x is None else [x for x in xs if x is not None]
    return OVERFLOW if broken else MEANING[subject.name](subject, xs)


def groups_of(rows: list[Row]) -> dict[Any, list[Any]]:
    """Return the x of each group's rows, the group of the latest row first."""
    found: dict[Any, list[Any]] = {}
    for group, _ in reversed(rows):
        if group is not None:
            found.setdefault(group, [x for other, x in rows if other == group])
    return found


def bits(value: Any) -> Any:
    """Return VALUE with each float as its 64 bits and each type told apart."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, list):
        return [bits(v) for v in value]
    if isinstance(value, dict):
        return [(bits(k), bits(v)) for k, v in value.items()]
    return type(value), value


# ---------------------------------------------------------------- the laws


def test_catalogue_is_complete() -> None:
    """Every aggregate that a graph may name is in the catalogue, under its own name."""
    assert set(CATALOGUE) == set(build.AGGREGATES)
    assert all(cls.name == name for name, cls in CATALOGUE.items())
    assert {a.name for a in PLAIN} == set(CATALOGUE)


def fold(subject: Subject, rows: Sequence[Row], *, forgets: bool = True) -> Any:
    """Return the state of ROWS, pushed one by one."""
    state = subject.zero(forgets=forgets)
    for row in rows:
        state.push(*row)
    return state


def batch(subject: Subject, rows: Sequence[Row]) -> Any:
    """Return ROWS as fold and of take them."""
    return rows if isinstance(subject, Grouped) else [x for (x,) in rows]


@every
@few
@given(data=st.data())
def test_value_is_what_the_contract_says(subject: Subject, data: st.DataObject) -> None:
    """A fold, an endless fold and the batch form give the value of SEMANTICS 4, bit for bit."""
    rows = data.draw(rows_of(subject))
    found = bits(fold(subject, rows).value(T))
    assert bits(fold(subject, rows, forgets=False).value(T)) == found
    assert bits(subject.fold(batch(subject, rows)).value(T)) == found
    assert bits(subject.of(batch(subject, rows), T)) == found
    if subject.name == "decayed_sum":
        return  # it has a test of its own, with its tolerance
    if isinstance(subject, Grouped):
        wanted: Any = {g: meaning(subject.aggregate, xs) for g, xs in sorted_groups(rows)}
        broken = any(group is OVERFLOW for group, _ in rows) or OVERFLOW in wanted.values()
        assert found == bits(OVERFLOW if broken else wanted)
    else:
        assert found == bits(meaning(subject, [x for (x,) in rows]))


def sorted_groups(rows: list[Row]) -> list[tuple[Any, list[Any]]]:
    """Return the groups of ROWS with their x, ascending."""
    return sorted(
        ((g, xs) for g, xs in groups_of(rows).items() if g is not OVERFLOW), key=lambda pair: pair[0]
    )


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.invertible], ids=str)
@few
@given(data=st.data())
def test_pop_is_the_exact_inverse(subject: Subject, data: st.DataObject) -> None:
    """After pushes and pops in any order a state equals the fold of what is left, in value and bytes."""
    rows = data.draw(rows_of(subject))
    leaving = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    state, gone = subject.zero(), 0
    for come, (row, pops) in enumerate(zip(rows, leaving, strict=True), start=1):
        state.push(*row)
        for _ in range(min(pops, come - gone)):
            state.pop(*rows[gone])
            gone += 1
        left = fold(subject, rows[gone:come])
        assert bits(state.value(T)) == bits(left.value(T))
        assert state.encode() == left.encode()


@every
@few
@given(data=st.data(), forgets=st.booleans())
def test_commuting_states_take_rows_in_any_order(
    subject: Subject, data: st.DataObject, forgets: bool
) -> None:
    """A state that says it commutes is the same whatever the order of its rows, and any of them may leave."""
    state = subject.zero(forgets=forgets)
    if not state.commutes:
        return
    rows = data.draw(rows_of(subject))
    for row in data.draw(st.permutations(rows)):
        state.push(*row)
    if forgets and rows:
        state.pop(*rows.pop(data.draw(st.integers(0, len(rows) - 1))))
    folded = fold(subject, rows, forgets=forgets)
    assert state.encode() == folded.encode()
    assert bits(state.value(T)) == bits(folded.value(T))


@every
@given(data=st.data(), later=st.integers(1, 10**9))
@few
def test_only_what_drifts_changes_with_time(subject: Subject, data: st.DataObject, later: int) -> None:
    """The value of the same rows is the same at any time, unless the aggregate says that it drifts."""
    plain = subject.aggregate if isinstance(subject, Grouped) else subject
    if not plain.drifts:
        state = fold(subject, data.draw(rows_of(subject)))
        assert bits(state.value(T)) == bits(state.value(T + later))


@every
@few
@given(data=st.data())
def test_join_appends(subject: Subject, data: st.DataObject) -> None:
    """Rows split anywhere, even twice, and joined again are the whole; the parts joined stay as they were."""
    rows, forgets = data.draw(rows_of(subject)), data.draw(st.booleans())
    i, j = sorted((data.draw(st.integers(0, len(rows))), data.draw(st.integers(0, len(rows)))))
    left, middle, right = (fold(subject, part, forgets=forgets) for part in (rows[:i], rows[i:j], rows[j:]))
    before = right.encode()
    middle.join(right)
    left.join(middle)
    assert left.encode() == fold(subject, rows, forgets=forgets).encode()
    assert bits(left.value(T)) == bits(fold(subject, rows).value(T))
    more = data.draw(rows_of(subject))
    for row in more:
        left.push(*row)
    assert right.encode() == before
    assert left.encode() == fold(subject, rows + more, forgets=forgets).encode()


@every
@few
@given(data=st.data())
def test_many_at_once_are_one_by_one(subject: Subject, data: st.DataObject) -> None:
    """extend(xs) is push of each of xs, and pops go on from there."""
    rows, more = data.draw(rows_of(subject)), data.draw(rows_of(subject))
    forgets = data.draw(st.booleans())
    one_by_one, at_once = (fold(subject, rows, forgets=forgets) for _ in range(2))
    for row in more:
        one_by_one.push(*row)
    at_once.extend(batch(subject, more))
    assert at_once.encode() == one_by_one.encode()
    assert bits(at_once.value(T)) == bits(one_by_one.value(T))
    if forgets and subject.invertible:
        for row in [*rows, *more][: data.draw(st.integers(0, len(rows) + len(more)))]:
            one_by_one.pop(*row)
            at_once.pop(*row)
        assert at_once.encode() == one_by_one.encode()


@few
@given(rows=st.lists(st.lists(st.tuples(st.integers(0, 9)), max_size=5), max_size=4), gone=st.integers(0, 20))
def test_rows_without_a_key_enter_at_once(rows: list[list[tuple[int]]], gone: int) -> None:
    """extend_rows(rows) is push of each of them under no key."""
    one_by_one, at_once = (LatestRows(Latest(n=2)) for _ in range(2))
    pushed = [(NO_KEY, row) for part in rows for row in part]
    for x in pushed:
        one_by_one.push(x)
    for part in rows:
        at_once.extend_rows(part)
    for x in pushed[:gone]:
        one_by_one.pop(x)
        at_once.pop(x)
    assert at_once.encode() == one_by_one.encode()


@every
@few
@given(data=st.data())
def test_decoded_state_continues(subject: Subject, data: st.DataObject) -> None:
    """decode(encode(s)) has the same value and bytes, and goes on pushing and popping like s."""
    rows, more = data.draw(rows_of(subject)), data.draw(rows_of(subject))
    forgets = data.draw(st.booleans())
    state = fold(subject, rows, forgets=forgets)
    again = subject.decode(state.encode(), forgets=forgets)
    assert again.encode() == state.encode()
    assert bits(again.value(T)) == bits(state.value(T))
    for row in more:
        again.push(*row)
        state.push(*row)
    if forgets and subject.invertible:
        for row in rows:
            again.pop(*row)
            state.pop(*row)
    assert again.encode() == state.encode()
    assert bits(again.value(T)) == bits(state.value(T))


@every
@few
@given(data=st.data())
def test_bad_bytes_raise_value_error(subject: Subject, data: st.DataObject) -> None:
    """Bytes that were cut or changed raise ValueError, or are another good state; nothing else is raised."""
    forgets = data.draw(st.booleans())
    good = bytearray(fold(subject, data.draw(rows_of(subject)), forgets=forgets).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(good) - 1))
        good[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not good:
            break
    state = None
    with suppress(ValueError):
        state = subject.decode(bytes(good), forgets=forgets)
    if state is not None:
        state.value(T)
        assert subject.decode(state.encode(), forgets=forgets).encode() == state.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        b"\x90",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x93\x02\xa1a\x90",
        b"\x81\x90\x01",
    ],
    ids=["empty", "nil", "no parts", "a long list", "a deep list", "another version", "a map"],
)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    """Bytes that are no state, and lengths that lie, are refused with one line."""
    with pytest.raises(ValueError, match=r"^state of count\(None\): expected .*; fold the rows anew$"):
        aggregate("count").decode(data)


def test_state_of_another_aggregate_is_refused() -> None:
    """A state is only decoded by the aggregate, of the same parameters and use, that encoded it."""
    data = aggregate("quantile", INT64, {"q": "0.5"}).fold([1, 2]).encode()
    for other in (aggregate("quantile", INT64, {"q": "0.4"}), aggregate("quantile", TIMESTAMP, {"q": "0.5"})):
        with pytest.raises(ValueError, match="expected version 1 of it"):
            other.decode(data)
    with pytest.raises(ValueError, match="expected version 1 of it"):
        aggregate("min", INT64).decode(aggregate("min", INT64).fold([1], forgets=False).encode())


@every
def test_nothing_is_the_empty_value(subject: Subject) -> None:
    """No rows have the value "on empty" of SEMANTICS 4, of the right type, also once all rows left."""
    assert bits(subject.zero().value(T)) == bits(subject.empty)
    assert bits(subject.of([], T)) == bits(subject.empty)
    state = subject.zero()
    row: Row = ({"ts": 5, "ts_x": (5, None), "key_row": ("k", ("r",))}.get(subject.takes),)
    row = ("g", *row) if isinstance(subject, Grouped) else row
    if subject.invertible:
        state.push(*row)
        state.pop(*row)
        assert bits(state.value(T)) == bits(subject.empty)


@every
@few
@given(data=st.data())
def test_value_belongs_to_the_caller(subject: Subject, data: st.DataObject) -> None:
    """What a caller does to a value changes no later one."""
    state = fold(subject, data.draw(rows_of(subject)))
    first, second = state.value(T), state.value(T)
    if isinstance(first, list | dict):
        first.clear()
    assert bits(state.value(T)) == bits(second)


@pytest.mark.parametrize("subject", PLAIN, ids=str)
def test_what_has_no_inverse_says_so(subject: Aggregate) -> None:
    """A pop that would need rows that are gone raises TypeError, and only there."""
    row = {"ts": 5, "ts_x": (5, subject.x and 1), "key_row": ("k", ("r",))}.get(subject.takes)
    state = subject.zero()
    state.push(row)
    if subject.invertible:
        state.pop(row)
    else:
        with pytest.raises(TypeError, match="fold the rows anew"):
            state.pop(row)


def test_endless_states_stay_small() -> None:
    """What is never popped is kept in constant space where the value allows it."""
    rising = range(10_000)
    for name in ("min", "max", "first", "last"):
        assert len(aggregate(name, INT64).fold(rising, forgets=False).encode()) < 60
    assert len(aggregate("since_first").fold(rising, forgets=False).encode()) < 60


# ---------------------------------------------------------------- groups


@pytest.mark.parametrize("subject", GROUPED, ids=str)
@few
@given(data=st.data())
def test_lookup_and_top(subject: Grouped, data: st.DataObject) -> None:
    """A lookup is one group's value, else the empty one; top is by value, no nulls, ties by latest row."""
    rows = data.draw(rows_of(subject))
    state = fold(subject, rows)
    broken = any(group is OVERFLOW for group, _ in rows)
    values = {g: subject.aggregate.of(xs, T) for g, xs in groups_of(rows).items()}
    for group in "abcz":
        wanted = OVERFLOW if broken else values.get(group, subject.aggregate.empty)
        assert bits(state.lookup(group, T)) == bits(wanted)
    assert bits(state.lookup(None, T)) == bits(subject.aggregate.empty)
    assert state.lookup(OVERFLOW, T) is OVERFLOW
    for k in (1, 2, 9):
        if broken or OVERFLOW in values.values():
            assert state.top(k, T) is OVERFLOW
        else:
            known = [g for g in values if values[g] is not None]  # latest row first: sorting is stable
            assert state.top(k, T) == sorted(known, key=lambda g: code_points(values[g]), reverse=True)[:k]


def test_pushes_to_groups_are_told_apart_from_pairs() -> None:
    """A grouped state takes group and x as two arguments: one pair is refused at once."""
    with pytest.raises(TypeError):
        Grouped(aggregate("count"), STRING).zero().push(("a", None))  # type: ignore[call-arg]


# ---------------------------------------------------------------- single clauses


@pytest.mark.parametrize(
    ("xs", "wanted"),
    [
        ([1e308, 1e308, -1e308, 1e308, -1e308, -1e308, 5e-324], 5e-324),
        ([2.0**53, 1.0, 2.0**-60], 2.0**53 + 2),
        ([2.0**53, 1.0], 2.0**53),
        ([1e308, 1e308], OVERFLOW),
        ([LARGEST, 2.0**969], LARGEST),
        ([LARGEST, 2.0**970], OVERFLOW),
        ([0.1] * 10, 1.0),
        ([5e-324, -5e-324], 0.0),
    ],
)
def test_float_sums_are_rounded_once(xs: list[float], wanted: Any) -> None:
    """A sum of doubles is exact, rounded once to nearest even, and OVERFLOW only if that lies outside."""
    assert bits(aggregate("sum", FLOAT64).of(xs, T)) == bits(wanted)
    assert bits(aggregate("sum", FLOAT64).fold(xs).value(T)) == bits(wanted)


def test_means_that_vanish_are_not_negative_zero() -> None:
    """A negative mean below half of the least subnormal is 0.0, not -0.0."""
    for state in (
        aggregate("mean", FLOAT64).fold([-5e-324, 0.0, 0.0]),
        aggregate("mean", FLOAT64).fold([0.0]),
    ):
        assert bits(state.value(T)) == bits(0.0)


@given(
    half_life=st.sampled_from([1, 7, 3_600_000, 2**62]),
    rows=st.lists(st.tuples(PAST, FLOATS.filter(lambda x: x == 0 or abs(x) > 1e-280)), max_size=12),
)
@example(half_life=1, rows=[(-(10**15), LARGEST)])
@example(half_life=7, rows=[(T, 1e308), (T, 1e308), (T, -1e308)])
def test_decayed_sum_keeps_its_tolerance(half_life: int, rows: list[tuple[int, float]]) -> None:
    """decayed_sum is within 1e-12 of the sum of absolute terms, also where the sum passes over the top."""
    with localcontext(prec=60, Emax=10**17, Emin=-(10**17)):
        weights = [Decimal(2) ** (Decimal(ts - T) / half_life) for ts, _ in rows]
        terms = [Decimal(x) * w for (_, x), w in zip(rows, weights, strict=True)]
        total, size = sum(terms, Decimal(0)), sum(map(abs, terms), Decimal(0))
        found = aggregate("decayed_sum", FLOAT64, {"half_life": half_life}).of(rows, T)
        if found is OVERFLOW:
            assert abs(total) > Decimal(LARGEST) - size * Decimal("1e-12")
        else:
            assert abs(Decimal(found) - total) <= size * Decimal("1e-12") + SMALLEST


def test_decayed_sum_counts_decimals_with_their_value() -> None:
    """8.00 and 4.00, one and no half-life old, are 8; the shared kernel makes whole half-lives exact."""
    decayed = aggregate("decayed_sum", decimal(2), {"half_life": 10})
    assert decayed.of([(T - 10, 800), (T, 400)], T) == 8.0


@pytest.mark.parametrize("few", [1, 5, 100])
@pytest.mark.parametrize("x", [2.0**-77 * (1 + 2.0**-52), -(2.0**-76) * (1 - 2.0**-53), 5e-324, LARGEST])
def test_doubles_off_the_coarse_grid_keep_their_last_bits(x: float, few: int) -> None:
    """Whether they are added one by one or at once; the mean of equal doubles is that double."""
    mean = aggregate("mean", FLOAT64)
    assert mean.of([x] * few, T) == mean.fold([x] * few).value(T) == x
    assert grid.total([x]) is None


@given(st.lists(FLOATS, max_size=30))
def test_a_total_is_the_sum_on_the_coarse_grid(xs: list[float]) -> None:
    """Where a total is told it is exact; of usual numbers it is told."""
    exact = sum(map(Fraction, xs)) * grid.COARSE_UNIT
    total = grid.total(xs)
    assert total is None or total == exact
    assert grid.total([0.1] * 100) is not None


@pytest.mark.parametrize("name", CATALOGUE)
def test_node_gives_its_aggregate(name: str) -> None:
    """aggregate_for reads name, types and parameters off a node, and groups where the stream has by=."""
    x = build.field("x", FLOAT64) if build.AGGREGATES[name][0] in ("any", "number") else None
    given: dict[str, dict[str, Any]] = {
        "topk": {"k": 3},
        "quantile": {"q": 0.07},
        "decayed_sum": {"half_life": 7},
        "sequence": {
            "n": 3,
            "items": {"i": build.field("x", FLOAT64)},
            "distinct": build.field("c", STRING),
        },
    }
    params = given.get(name, {})
    node = build.aggregate(name, ["e"], x=x, **params)
    found = aggregate_for(node)
    assert (found.name, found.result) == (name, node.type)
    if name not in build.UNGROUPED:
        node = build.aggregate(name, ["e"], x=x, by=build.field("c", STRING), **params)
        assert aggregate_for(node) == Grouped(found, STRING)  # type: ignore[arg-type]
        assert aggregate_for(node).result == node.type
