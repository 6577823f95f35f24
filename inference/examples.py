"""Golden examples as a trainer gives them: run before and after packaging, and made a package's proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from featuregraph.vector import FeatureVector
from inference.backend import Array
from inference.errors import InferenceError, PackagingError
from inference.golden import LEAST_CASES, Golden, cases_of, check, worst_difference
from inference.limits import DEFAULT
from inference.session import Model, Session

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Example:
    """One golden example: public feature values, and the outputs where the trainer knows them."""

    values: Values
    outputs: Mapping[str, object] | None = None


def prove(
    original: Model,
    final: Model,
    given: Sequence[Values | FeatureVector | Example],
    *,
    absolute: float,
    relative: float,
) -> tuple[Golden, float]:
    """Return the examples with the final model's outputs, and how far those are from the original model's."""
    if not LEAST_CASES <= len(given) <= DEFAULT.golden_cases:
        raise PackagingError(
            f"golden: expected {LEAST_CASES} to {DEFAULT.golden_cases} examples, found "
            f"{len(given)}; give no history, some, a full one"
        )
    examples = [_example(each) for each in given]
    before, after = (_run(model, examples) for model in (original, final))
    _require_finite(after)
    for at, (example, outputs) in enumerate(zip(examples, before, strict=True)):
        for name, expected in (example.outputs or {}).items():
            if not _is_close(outputs.get(name), expected, absolute, relative):
                raise PackagingError(
                    f"golden example {at}, output {name!r}: expected the trainer's values, found "
                    "others; compare the export with the trained model"
                )
    golden = Golden(cases_of(final.spec, [e.values for e in examples], after), absolute, relative)
    check(final, golden)
    return golden, max(worst_difference(b, a) for b, a in zip(before, after, strict=True))


def _example(given: Values | FeatureVector | Example) -> Example:
    if isinstance(given, Example):
        return given
    return Example(given.values if isinstance(given, FeatureVector) else given)


def _run(model: Model, examples: Sequence[Example]) -> list[dict[str, Array]]:
    session = Session(model)
    found = []
    for at, example in enumerate(examples):
        try:
            found.append(session.run(FeatureVector(dict(example.values), model.graph_id, 0)).outputs)
        except InferenceError as error:
            raise PackagingError(f"golden example {at}: {error}") from error
    return found


def _require_finite(found: Sequence[Mapping[str, Array]]) -> None:
    for at, outputs in enumerate(found):
        if any(not np.isfinite(array).all() for array in outputs.values()):
            raise PackagingError(
                f"golden example {at}: expected finite outputs, found others; check the model on an "
                "empty history"
            )


def _is_close(found: Array | None, expected: object, absolute: float, relative: float) -> bool:
    """Tell whether the model file gives the output that the trainer saw."""
    wanted = np.asarray(expected, np.float64)
    return (
        found is not None
        and wanted.shape == found.shape
        and bool(np.allclose(found, wanted, relative, absolute))
    )
