"""What can go wrong between features and a model's answer.

InferenceError
├── ContractError    (ValueError)        a contract is malformed or breaks one of its bounds
├── PackagingError   (ValueError)        a model and a graph do not fit; .differences lists why
├── PackageError     (ValueError)        a package is refused at load: a file, a hash, an id, a golden example
├── BackendError     (RuntimeError)      a runtime is missing, or refuses a model file or a call
├── BindingError     (ValueError)        a feature's value cannot become a tensor
│   ├── IdRangeError                     an id lies outside its vocabulary
│   └── NullFeatureError                 a dense input met a null
└── ScoreError       (ArithmeticError)   a model gave a score that is not finite; names the candidate

Every message is one line: what was expected, what was found, where, and the next step.
"""

from __future__ import annotations

from collections.abc import Sequence


class InferenceError(Exception):
    """Root of the errors that this package raises on purpose."""


class ContractError(InferenceError, ValueError):
    """Say that a contract is malformed."""


class PackagingError(InferenceError, ValueError):
    """Say that a model and a graph do not fit, with every difference found."""

    def __init__(self, message: str, differences: Sequence[str] = ()) -> None:
        self.differences = tuple(differences)
        listed = "; ".join(f"({n}) {text}" for n, text in enumerate(self.differences, 1))
        super().__init__(f"{message}: {listed}" if listed else message)


class PackageError(InferenceError, ValueError):
    """Say that a package is refused at load."""


class BackendError(InferenceError, RuntimeError):
    """Say that a runtime is missing, or what it refused."""


class BindingError(InferenceError, ValueError):
    """Say which feature cannot become which tensor."""


class IdRangeError(BindingError):
    """Say which id lies outside its vocabulary."""


class NullFeatureError(BindingError):
    """Say which dense input met a null."""


class ScoreError(InferenceError, ArithmeticError):
    """Say which candidate got a score that is not finite."""


def one_line(error: BaseException, limit: int = 200) -> str:
    """Return the message of a foreign error as one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
