"""Cut headrace/retail/slice.npz out of the canonical Online Retail log, and check it line by line.

    python examples/make_retail_slice.py DATA [--out headrace/retail/slice.npz] [--check]

DATA holds events_canonical.parquet and online_retail.parquet (the source table, for the items' names). With
--check nothing is written: the packaged slice is compared with what would be. Needs pyarrow (extra `replay`).

Whoever is chosen is chosen by the time before the held-out days alone, so that the ranking task does not look
at its own answer: customers with at least 4 invoices, then items that at least 50 of these have bought.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from headrace.retail import slice as retail
from headrace.retail.task import HELD_OUT

MIN_INVOICES, MIN_BUYERS = 4, 50


def read(path: Path) -> list[dict[str, Any]]:
    """Return the purchases and cancels of known customers; codes without digits (fees) are no items."""
    rows = [
        row
        for row in pq.read_table(path).to_pylist()
        if row["event"] in {retail.PURCHASE, retail.CANCEL}
        and not row["user_id"].startswith("anon:")
        and row["item_id"][:5].isdigit()
    ]
    return [row | dict(row["attrs"]) for row in rows]


def choose(rows: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the customers and items of the slice, both sorted."""
    invoices: dict[str, set[str]] = defaultdict(set)
    buyers: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["event"] == retail.PURCHASE and row["ts_ms"] < HELD_OUT:
            invoices[row["user_id"]].add(row["session_id"])
            buyers[row["item_id"]].add(row["user_id"])
    customers = {user for user, found in invoices.items() if len(found) >= MIN_INVOICES}
    items = {item for item, found in buyers.items() if len(found & customers) >= MIN_BUYERS}
    return sorted(customers), sorted(items)


def names(path: Path, items: list[str]) -> list[str]:
    """Return the most frequent description of each item; ties by text."""
    table = pq.read_table(path, columns=["StockCode", "Description"])
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for code, text in zip(*(table[name].to_pylist() for name in ("StockCode", "Description")), strict=True):
        counts[code][(text or "").strip()] += 1
    return [min((-count, text) for text, count in counts[item].items())[1] for item in items]


def cut(data: Path) -> retail.Slice:
    """Return the slice of the log under DATA."""
    rows = read(data / "events_canonical.parquet")
    customers, items = choose(rows)
    chosen, item_at = set(customers), {name: at for at, name in enumerate(items)}
    rows = [r for r in rows if r["user_id"] in chosen and r["item_id"] in item_at]
    customers = sorted({r["user_id"] for r in rows})
    user_at = {name: at for at, name in enumerate(customers)}
    countries = sorted({r["country"] for r in rows})
    return retail.Slice(
        customers=np.array(customers),
        items=np.array(items),
        names=np.array(names(data / "online_retail.parquet", items)),
        countries=np.array(countries),
        customer=np.array([user_at[r["user_id"]] for r in rows], np.uint16),
        item=np.array([item_at[r["item_id"]] for r in rows], np.uint16),
        country=np.array([countries.index(r["country"]) for r in rows], np.uint8),
        minute=np.array([r["ts_ms"] // retail.MINUTE for r in rows], np.int32),
        invoice=np.array([int(r["session_id"].removeprefix("C")) for r in rows], np.int32),
        source=np.array([int(r["event_id"].removeprefix("retail:")) for r in rows], np.int32),
        quantity=np.array([int(r["quantity"]) for r in rows], np.int32),
        price=np.array([int(Decimal(r["unit_price"]) * 100) for r in rows], np.int32),
        cancel=np.array([r["event"] == retail.CANCEL for r in rows], np.bool_),
    )


def compare(made: retail.Slice, data: Path) -> None:
    """Exit with a message unless each event of MADE equals the log's row of its id, in the log's order."""
    by_id = {row["event_id"]: row for row in read(data / "events_canonical.parquet")}
    last: tuple[int, str, int] = (0, "", -1)
    for count, event in enumerate(made.events()):
        row = by_id[event["event_id"]]
        same = all(str(event[name]) == str(row[name]) for name in event if name != "unit_price")
        same = same and Decimal(event["unit_price"]) == Decimal(row["unit_price"])
        at = (row["ts_ms"], row["user_id"], row["seq"])
        if not same or at[0] < last[0] or (at[:2] == last[:2] and at[2] <= last[2]):
            sys.exit(f"event {count}: expected {row}, found {event}; cut the slice again")
        last = at


def main() -> None:
    """Cut, write, read back, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(retail.__file__).with_name("slice.npz"))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    made = cut(args.data)
    if not args.check:
        np.savez_compressed(args.out, allow_pickle=False, **retail.pack(made))
    stored = retail.read(args.out)
    for name, column in retail.pack(made).items():
        if not np.array_equal(column, retail.pack(stored)[name]):
            sys.exit(f"{args.out}, column {name}: expected the log's, found another; cut it again")
    compare(stored, args.data)
    content = args.out.read_bytes()
    print(f"{len(stored)} lines equal the log's, {len(made.customers)} customers, {len(made.items)} items")
    print(f"{args.out}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
