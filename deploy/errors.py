"""What can go wrong between a task in a folder and a release that a device should run.

DeployError
├── TaskError     (ValueError)   a task's folder is not what a task is, or its parts do not fit; .differences
├── BundleError   (ValueError)   a bundle or a blob is refused: a name, a size, a hash, a missing part
├── HistoryError  (ValueError)   a store of tasks, a version or a reference to one is not there or not whole
├── RulesetError  (ValueError)   a ruleset or a device's profile is malformed or breaks one of its bounds
├── ServiceError  (RuntimeError) the service refuses, or cannot, do what it is asked; .status, .retry_s
├── WireError     (ValueError)   what service and device say to each other is malformed or beyond a bound
├── TrustError    (ValueError)   a key, signature or signed metadata is not to be had or not to be believed
│   └── OvertakenError           what was signed follows what is no longer the newest
├── InstallError  (RuntimeError) a device can not take a release, or not use its folder
├── GateError     (ValueError)   a policy of gates is malformed or contradicts itself
└── NetworkError  (OSError)      the service is not reached, cuts off, is too slow or busy

Every message is one line: what was expected, what was found, where, and the next step.
"""

from __future__ import annotations

from collections.abc import Sequence


class DeployError(Exception):
    """Root of the errors that this package raises on purpose."""


class TaskError(DeployError, ValueError):
    """Say that a task cannot be packed, with every difference found."""

    def __init__(self, message: str, differences: Sequence[str] = ()) -> None:
        self.differences = tuple(differences)
        listed = "; ".join(f"({n}) {text}" for n, text in enumerate(self.differences, 1))
        super().__init__(f"{message}: {listed}" if listed else message)


class BundleError(DeployError, ValueError):
    """Say that a bundle is refused."""


class HistoryError(DeployError, ValueError):
    """Say which version is not to be had."""


class RulesetError(DeployError, ValueError):
    """Say what is wrong with the rules of assignment or with a device's profile."""


class ServiceError(DeployError, RuntimeError):
    """Say what the service refuses, with the status of HTTP and after how many seconds to ask again."""

    def __init__(self, message: str, status: int = 400, retry_s: float = 0) -> None:
        self.status, self.retry_s = status, retry_s
        super().__init__(message)


class WireError(DeployError, ValueError):
    """Say what is wrong with a check, an answer or a report."""


class GateError(DeployError, ValueError):
    """Say what is wrong with a policy of gates."""


class TrustError(DeployError, ValueError):
    """Say what may not be believed, or could not be fetched to be judged."""


class OvertakenError(TrustError):
    """Say that another list was taken meanwhile."""


class InstallError(DeployError, RuntimeError):
    """Say why a device can not take a release, or not use its folder."""


class NetworkError(DeployError, OSError):
    """Say how the service failed to answer; `retry_after_s`: how long it asks to be left alone."""

    def __init__(self, message: str, retry_after_s: int = 0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)
