"""Make the retail model's plausible but worse successor, for `headrace demo --fleet`.

    python examples/make_worse.py [--check]

Its graph looks back 180 days where the first one does 90, and its scores are those of a model that was
trained on the wrong column: what stayed in the shop, not what was bought. It packages, its examples pass, no
call fails; only nobody wants what it puts first. The package holds the model as a difference to the first.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import helper

import featuregraph as fg
import inference
from deploy.wire.delta import make_delta
from headrace.retail import graph as words

HOME = Path(__file__).resolve().parents[1] / "headrace/retail"
FIRST, WORSE = HOME / "package", HOME / "worse"
MODEL, DELTA = "model.onnx", "model.delta"
ABOUT = {"made by": "examples/make_worse.py", "license": "Apache-2.0"}


def graph() -> fg.Graph:
    """Return the retail graph with 180 days for its quarter."""
    source = Path(words.__file__).read_text("utf-8").replace('over("90d")', 'over("180d")')
    found: dict[str, object] = {"__name__": "headrace.retail.worse"}
    exec(compile(source, "worse", "exec"), found)  # noqa: S102 - our own words, with one number changed
    made = found["retail"]
    assert isinstance(made, fg.Graph)
    return made


def model() -> bytes:
    """Return the first model with its scores turned round."""
    found = onnx.load(FIRST / MODEL)
    (score,) = [node for node in found.graph.node if "score" in node.output]
    score.output[list(score.output).index("score")] = "wanted"
    found.graph.node.append(helper.make_node("Neg", ["wanted"], ["score"]))
    del found.metadata_props[:]  # it says whose model it was
    content: bytes = found.SerializeToString()
    return content


def make(folder: Path) -> None:
    """Write the package into FOLDER, its model as a difference to the first one."""
    first = inference.load(FIRST)
    inputs = [
        inference.Input(
            one.name,
            [
                source.feature if source.item is None else f"{source.feature}.{source.item}"
                for source in one.sources
            ],
            max_len=one.max_len,
        )
        for one in first.spec.inputs
    ]
    examples = [
        inference.Example(case["features"])
        for case in json.loads((FIRST / "golden.json").read_bytes())["cases"]
    ]
    options = inference.Options(meta=ABOUT, overwrite=True)
    inference.package(model(), graph(), inputs, folder, golden=examples, outputs=["score"], options=options)
    file = folder / MODEL
    difference = make_delta((FIRST / MODEL).read_bytes(), file.read_bytes())
    assert difference is not None
    file.unlink()
    (folder / DELTA).write_bytes(difference)


def main() -> None:
    """Make it, or compare what is there."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare, and change nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "worse"
        make(made)
        found = {path.name: path.read_bytes() for path in made.iterdir()}
    if args.check:
        there = {path.name: path.read_bytes() for path in WORSE.iterdir() if path.name in found}
        sys.exit(
            0 if there == found else "headrace/retail/worse: expected what this makes, found another; run it"
        )
    WORSE.mkdir(exist_ok=True)
    for name, content in found.items():
        (WORSE / name).write_bytes(content)
    print(f"{WORSE}: {', '.join(f'{name} {len(content)}' for name, content in sorted(found.items()))}")


if __name__ == "__main__":
    main()
