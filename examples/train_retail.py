"""Train the demo's ranking model on the features that a device would have extracted, and package it.

    python examples/train_retail.py [--out headrace/retail/package] [--validate]

1. The log is replayed: for each basket of the training period the features, as of then, of 200 candidates:
   what was bought, what the customer bought before, and others at random.
2. A small model in the manner of TIN learns to tell the first from the rest: target-aware attention over the
   last 50 items (dot product, the target after pooling), then an MLP over it, the customer's features and the
   candidate's.
3. The model goes to ONNX with any number of candidates, the customer's side once, and into a package with its
   graph.

--validate stops the training two weeks earlier, ranks those weeks' baskets and packages nothing: use it to
choose. Catalogues are as stale as in the demo: made every two weeks, with what was known by then.
Needs `pip install 'headrace[replay,build,train]'`; some minutes on one core. One machine makes one model.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import inference
from featuregraph.arrow import write_events, write_queries
from headrace.retail import task
from headrace.retail.catalogue import Catalogue, catalogue
from headrace.retail.graph import AGE_EDGES, BUCKETS, HISTORY, retail
from headrace.retail.slice import Slice, load
from inference import Input
from stream import replay

START = int(datetime(2011, 2, 1, tzinfo=UTC).timestamp() * 1000)  # two months of history come first
PERIOD = 14 * task.DAY  # ms; from one catalogue to the next
CANDIDATES, MOST = 200, 40  # per training basket; of them bought now, and bought before
WIDTH, HIDDEN, DROP = 32, 64, 0.3
EPOCHS, BATCH, RATE = 3, 32, 2e-3
SEED = 20111125

CANDIDATE = (
    "price", "price_ratio", "popularity_7d", "popularity_30d", "own_baskets", "own_lines_90d", "own_share",
    "own_pull", "own_idle", "own_age", "own_cancels",
)  # fmt: skip
USER = (
    "baskets", "baskets_30d", "baskets_90d", "lines_90d", "items_90d", "spend_30d", "spend_90d", "ticket",
    "price_mean", "quantity_median", "cancel_ratio", "idle", "tenure", "hour", "weekday",
)  # fmt: skip
INPUTS = (
    Input("user", USER),
    Input("history_item", "history.item", max_len=HISTORY),
    Input("history_age", "history.age", max_len=HISTORY),
    Input("favourites"),
    Input("item"),
    Input("candidate", CANDIDATE),
)
NAMES = tuple(each.name for each in INPUTS)

Arrays = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """One basket: the features as of then, the candidates, and what they stand for."""

    query: task.Basket
    values: dict[str, object]
    chosen: Ints  # positions in the catalogue
    weight: NDArray[np.float32]  # how many items each candidate stands for


def play(log: Slice, start_ms: int, end_ms: int, rng: np.random.Generator | None) -> list[Sample]:
    """Return the baskets of [START_MS, END_MS), features as of then; RNG draws candidates, None takes all."""
    baskets = task.baskets(log, start_ms, end_ms)
    drawn = [choose(log, basket, rng) for basket in baskets]
    asked = []
    made, offered = 0, Catalogue()
    for basket, (chosen, _) in zip(baskets, drawn, strict=True):
        as_of = task.HELD_OUT - -(-(task.HELD_OUT - basket.ts_ms) // PERIOD) * PERIOD
        if made != as_of:
            made, offered = as_of, catalogue(log, as_of)
        request = {name: [values[at] for at in chosen.tolist()] for name, values in offered.items()}
        asked.append({"key": str(log.customers[basket.customer]), "t": basket.ts_ms, "request": request})
    events = write_events(log.events(log.between(0, end_ms)))
    features = replay(retail.compile(), events, write_queries(retail, asked)).to_batches(max_chunksize=1)
    return [
        Sample(basket, values_of(row), *candidates)
        for basket, row, candidates in zip(baskets, features, drawn, strict=True)
    ]


def values_of(row: Any) -> dict[str, object]:
    """Return the features in a replayed ROW as a device gives them: a sequence's items together."""
    found = {name: row.column(name)[0].as_py() for name in row.schema.names if "." not in name}
    found["history"] = {item: row.column(f"history.{item}")[0].as_py() for item in ("item", "age")}
    return found


def choose(
    log: Slice, query: task.Basket, rng: np.random.Generator | None
) -> tuple[Ints, NDArray[np.float32]]:
    """Return the candidates, those bought now first, and how many items of the catalogue each stands for."""
    everything = np.arange(len(log.items))
    if rng is None:
        return everything, np.ones(len(everything), np.float32)
    known = log.between(0, query.ts_ms)
    own = np.setdiff1d(log.item[known][log.customer[known] == query.customer], query.items)
    other = np.setdiff1d(everything, np.union1d(own, query.items))
    now = rng.permutation(query.items)[:MOST]
    before = rng.permutation(own)[:MOST]
    rest = rng.permutation(other)[: CANDIDATES - len(now) - len(before)]
    parts = [(now, now), (own, before), (other, rest)]
    weight = [np.full(len(part), len(of) / max(len(part), 1), np.float32) for of, part in parts]
    return np.concatenate([now, before, rest]).astype(np.int64), np.concatenate(weight)


class Net(nn.Module):  # type: ignore[misc]
    """Scores [B, C] of C candidates for each of B customers; ids are rows of one table, row 0 is nothing."""

    def __init__(self, table: Tensor, user: Tensor, candidate: Tensor) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=0)
        self.age = nn.Embedding(len(AGE_EDGES) + 1, WIDTH)
        self.recent = nn.Embedding(len(AGE_EDGES) + 1, 1)  # how much an age counts, whatever the item
        nn.init.normal_(self.age.weight, std=0.05)
        nn.init.zeros_(self.recent.weight)
        self.register_buffer("user_scale", scale(user))
        self.register_buffer("candidate_scale", scale(candidate))
        self.sharp = nn.Parameter(torch.tensor(3.0))
        self.customer = nn.Linear(user.shape[-1], 16)
        self.drop = nn.Dropout(DROP)
        self.mlp = nn.Sequential(
            nn.Linear(candidate.shape[-1] + 16 + 3 * WIDTH + 2, HIDDEN), nn.ReLU(), nn.Dropout(DROP),
            nn.Linear(HIDDEN, 32), nn.ReLU(), nn.Linear(32, 1),
        )  # fmt: skip

    def forward(
        self, user: Tensor, history: Tensor, age: Tensor, favourites: Tensor, item: Tensor, candidate: Tensor
    ) -> Tensor:
        """Return the scores; shapes [B, U], [B, L], [B, L], [B, 10], [B, C], [B, C, F]."""
        who = torch.tanh(self.customer(scaled(user, self.user_scale)))  # [B, 16]
        target, past = self.drop(self.table(item)), self.drop(self.table(history))  # [B, C, W], [B, L, W]
        like = target @ (past + self.age(age)).transpose(1, 2) * (self.sharp / WIDTH**0.5)  # [B, C, L]
        like = like + self.recent(age).transpose(1, 2)
        like = torch.where((history > 0)[:, None, :], like, torch.full_like(like, -20.0))
        met = (torch.softmax(like, -1) @ past) * target
        liked = self.table(favourites).sum(1)[:, None, :] * target * 0.1
        extent = torch.cat([like.amax(-1, keepdim=True), torch.logsumexp(like, -1, keepdim=True)], -1) * 0.1
        facts = scaled(candidate, self.candidate_scale)
        everyone = who[:, None, :].expand(-1, facts.shape[1], -1)
        return self.mlp(torch.cat([facts, everyone, met, liked, target, extent], -1)).squeeze(-1)


class OneCustomer(nn.Module):  # type: ignore[misc]
    """The model as a device runs it: the customer's side once, C candidates, C scores."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, user: Tensor, history: Tensor, age: Tensor, favourites: Tensor, item: Tensor, candidate: Tensor
    ) -> Tensor:
        """Return the scores [C]; shapes [U], [1, L], [1, L], [1, 10], [C], [C, F]."""
        scores: Tensor = self.net(user[None], history, age, favourites, item[None], candidate[None])
        return scores[0]


def scale(x: Tensor) -> Tensor:
    """Return mean and deviation of log1p(X) over all but the last axis: [2, W]."""
    flat = torch.log1p(x.reshape(-1, x.shape[-1]))
    return torch.stack([flat.mean(0), flat.std(0) + 1e-3])


def scaled(x: Tensor, by: Tensor) -> Tensor:
    """Return log1p(X) around 0: counts, money and times have long tails."""
    return (torch.log1p(x) - by[0]) / by[1]


def first_table(log: Slice, end_ms: int, rows: Ints) -> Tensor:
    """Return item vectors from what is bought together (positive PMI, largest eigenvectors), at ROWS."""
    lines = log.between(0, end_ms)
    bought = ~log.cancel[lines]
    invoices, at = np.unique(log.invoice[lines][bought], return_inverse=True)
    has = np.zeros((len(invoices), len(log.items)))
    has[at, log.item[lines][bought]] = 1
    together = has.T @ has
    np.fill_diagonal(together, 0)
    each = np.maximum(together.sum(0), 1)
    pmi = np.log(np.maximum(together * together.sum() / np.outer(each, each), 1))
    values, vectors = np.linalg.eigh(pmi)
    found = vectors[:, -WIDTH:] * np.sqrt(np.maximum(values[-WIDTH:], 0))
    table = np.zeros((BUCKETS, WIDTH), np.float32)
    table[rows] = found / (found.std() * WIDTH**0.5)
    return torch.from_numpy(table)


def train(log: Slice, samples: list[Sample], end_ms: int) -> Net:
    """Return a model that tells what was bought from the other candidates."""
    specs = inference.tensors(retail, INPUTS)
    fed = [inference.feeds(specs, sample.values) for sample in samples]
    data = {name: torch.from_numpy(np.stack([each[name] for each in fed])) for name in NAMES}
    for name in ("history_item", "history_age", "favourites"):
        data[name] = data[name][:, 0]
    log_weight = torch.from_numpy(np.log(np.stack([sample.weight for sample in samples])))
    bought = np.stack([np.isin(sample.chosen, sample.query.items) for sample in samples]).astype(np.float32)
    share = torch.from_numpy(bought / bought.sum(1, keepdims=True))
    rows = np.zeros(len(log.items), np.int64)
    for sample, each in zip(samples, fed, strict=True):
        rows[sample.chosen] = each["item"]
    net = Net(first_table(log, end_ms, rows), data["user"], data["candidate"])
    steps = EPOCHS * (len(samples) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(EPOCHS):
        total = 0.0
        order = torch.randperm(len(samples))
        for batch in order[: len(samples) // BATCH * BATCH].split(BATCH):
            # Weights undo the sampling: the sum over the drawn stands for the sum over the catalogue.
            scores = net(*(data[name][batch] for name in NAMES)) + log_weight[batch]
            loss = -(share[batch] * torch.log_softmax(scores, -1)).sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / (len(samples) // BATCH):.4f}")
    net.eval()
    return net


def validate(net: Net, samples: list[Sample]) -> str:
    """Return how well NET ranks the whole catalogue at SAMPLES."""
    one, specs = OneCustomer(net), inference.tensors(retail, INPUTS)
    gains, hits = [], []
    with torch.no_grad():
        for sample in samples:
            fed = inference.feeds(specs, sample.values)
            ranked = task.top(one(*(torch.from_numpy(fed[name]) for name in NAMES)).numpy())
            gains.append(task.ndcg(ranked, sample.query.items))
            hits.append(task.hit(ranked, sample.query.items))
    low, high = task.interval(np.array(gains))
    gain, rate = np.mean(gains), np.mean(hits)
    return f"{len(gains)} queries: NDCG@10 {gain:.4f} [{low:.4f}, {high:.4f}], hit rate {rate:.4f}"


def export(net: Net, sample: Sample) -> bytes:
    """Return NET for one customer as ONNX."""
    fed = inference.feeds(inference.tensors(retail, INPUTS), sample.values)
    args = tuple(torch.from_numpy(fed[name]) for name in NAMES)
    count = torch.export.Dim("C", min=2)
    shapes = tuple({0: count} if name in {"item", "candidate"} else None for name in NAMES)
    program = torch.onnx.export(
        OneCustomer(net).eval(), args, input_names=NAMES, output_names=("score",), dynamic_shapes=shapes,
        opset_version=18, dynamo=True, verbose=False,
    )  # fmt: skip
    content: bytes = program.model_proto.SerializeToString()
    return content


def golden(samples: list[Sample]) -> list[inference.Example]:
    """Return the examples with the shortest, a middle and the longest history, 20 candidates each."""

    def seen(sample: Sample) -> int:
        history: Any = sample.values["history"]
        return len(history["item"])

    ordered = sorted(samples, key=seen)
    picked = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    each = set(retail.features) - {*USER, "history", "favourites"}
    return [
        inference.Example({n: v[:20] if n in each else v for n, v in sample.values.items()})  # type: ignore[index]
        for sample in picked
    ]


def main() -> None:
    """Play, train, and package or validate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("headrace/retail/package"))
    parser.add_argument("--validate", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    log, started = load(), time.perf_counter()
    end_ms = task.HELD_OUT - PERIOD if args.validate else task.HELD_OUT
    samples = play(log, START, end_ms, rng)
    print(f"{len(samples)} baskets replayed in {time.perf_counter() - started:.0f} s")
    net = train(log, samples, end_ms)
    print(f"trained after {time.perf_counter() - started:.0f} s")
    if args.validate:
        print(validate(net, play(log, end_ms, task.HELD_OUT, None)))
        return
    about = {
        "trained on": f"{len(samples)} baskets of the UCI Online Retail log (Chen, Sain, Guo: CC BY 4.0)",
        "made by": "examples/train_retail.py",
        "license": "Apache-2.0",
    }
    options = inference.Options(meta=about, overwrite=True)
    manifest = inference.package(
        export(net, samples[0]), retail, INPUTS, args.out,
        golden=golden(samples), outputs=["score"], quantize="rowwise_int8", options=options,
    )  # fmt: skip
    size = sum(file.bytes for file in manifest.files.values())
    print(f"{args.out}: {size} bytes, int8 rows changed scores by at most {manifest.quantize_error:.2g}")


if __name__ == "__main__":
    main()
