"""How one device behaves: its name, and how long it waits for what. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from deploy.bucket import bucket

HOUR_S: Final = 3_600
_SALT: Final = "when a device asks"  # of the seed: when it asks says nothing about what it gets


@dataclass(frozen=True, slots=True)
class Settings:
    """One device's ways; times in seconds."""

    device: str
    seed: int = field(default=0)  # of all chance; 0: made of the device's id
    jitter: float = 0.2  # of a wait between two checks, either way
    spread_s: int = 30  # after a start or with the network back, the first check is somewhere in it
    backoff_s: int = 2  # the first wait after a failure is up to twice it; doubled each time
    most_backoff_s: int = HOUR_S
    most_retry_after_s: int = 24 * HOUR_S  # that a service may ask for
    report_s: int = 60  # reports wait up to so long for others
    alive_s: int = HOUR_S  # between two reports of what was counted
    patience_s: int = 24 * HOUR_S  # for a quiet moment; then activated all the same. 0: at once
    metered: bool = False  # downloads on a metered network as well
    trial_runs: int = 20  # runs after which a release is confirmed
    trial_failures: int = 3  # of so many runs, or in the same share of more, that take it back instead
    most_tries: int = 2  # ends of the process in a release that are forgiven

    def __post_init__(self) -> None:
        if not self.seed:
            object.__setattr__(self, "seed", bucket(_SALT, self.device))
