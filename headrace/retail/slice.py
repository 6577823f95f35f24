"""The packaged slice of the Online Retail log: one year of a gift shop's invoices, read with numpy alone.

On disk (slice.npz) a line of an invoice is one element of each column; times, invoices and source rows are
first differences: neighbours share them, and zeros cost nothing. README.md says what was cut, and from what.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.abc import Traversable
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINUTE = 60_000  # ms; the source knows no finer time
PURCHASE, CANCEL = "purchase", "cancel"
_DELTAS = ("minute", "invoice", "source")


@dataclass(frozen=True, slots=True)
class Slice:
    """Lines in order of time, then of the source; customer, item and country are positions in lists of names.

    Columns of N lines: customer, item, country; minute (UTC, since 1970), invoice (its number without the C),
    source (row of the source table), quantity (negative when cancelled), price (pence), cancel (true, false).
    """

    customers: NDArray[np.str_]
    items: NDArray[np.str_]
    names: NDArray[np.str_]  # of the items, for people
    countries: NDArray[np.str_]
    customer: NDArray[np.uint16]
    item: NDArray[np.uint16]
    country: NDArray[np.uint8]
    minute: NDArray[np.int32]
    invoice: NDArray[np.int32]
    source: NDArray[np.int32]
    quantity: NDArray[np.int32]
    price: NDArray[np.int32]
    cancel: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.customer)

    @property
    def ts_ms(self) -> NDArray[np.int64]:
        """Return the time of each line, ms UTC."""
        return self.minute.astype(np.int64) * MINUTE

    def between(self, start_ms: int, end_ms: int) -> builtins.slice:
        """Return where the lines with START_MS <= ts_ms < END_MS stand."""
        bounds = [-(-at // MINUTE) for at in (start_ms, end_ms)]
        first, last = np.searchsorted(self.minute, bounds).tolist()
        return slice(first, last)

    def events(self, lines: builtins.slice | None = None) -> Iterator[dict[str, Any]]:
        """Yield LINES (default all) as canonical events, ready for append; prices are exact decimal text.

        `seq` is left to the log, which numbers in order of arrival: that of the source.
        """
        at = slice(None) if lines is None else lines
        customers, items, countries = self.customers.tolist(), self.items.tolist(), self.countries.tolist()
        names = (self.customer, self.item, self.country)
        facts = (self.ts_ms, self.invoice, self.source, self.quantity, self.price, self.cancel)
        for customer, item, country, ts_ms, invoice, source, quantity, price, cancel in zip(
            *(column[at].tolist() for column in (*names, *facts)), strict=True
        ):
            yield {
                "event_id": f"retail:{source}",
                "user_id": customers[customer],
                "session_id": f"C{invoice}" if cancel else str(invoice),
                "event": CANCEL if cancel else PURCHASE,
                "ts_ms": ts_ms,
                "item_id": items[item],
                "quantity": quantity,
                "unit_price": pounds(price),
                "country": countries[country],
            }


def pounds(pence: int) -> str:
    """Return PENCE as exact decimal text with two digits."""
    return f"{pence // 100}.{pence % 100:02d}"


def pack(log: Slice) -> dict[str, NDArray[Any]]:
    """Return the arrays of slice.npz."""
    arrays = {f.name: getattr(log, f.name) for f in fields(Slice)}
    return {n: np.diff(a, prepend=a.dtype.type(0)) if n in _DELTAS else a for n, a in arrays.items()}


def read(path: Traversable) -> Slice:
    """Return the slice stored in PATH."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Slice(**{n: np.cumsum(a, dtype=a.dtype) if n in _DELTAS else a for n, a in arrays.items()})


@lru_cache(maxsize=1)
def load() -> Slice:
    """Return the packaged slice; about 30 ms, then shared: do not write to its arrays."""
    return read(files(__package__).joinpath("slice.npz"))
