"""A policy of gates as somebody gives it to `headrace release`: a file, or a few words about the default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from deploy.bucket import MILLION
from deploy.errors import GateError, RulesetError
from deploy.gate.policy import MAX_POLICY, Policy, Stage, counter
from featuregraph.shown import bounded

_SHARE = re.compile(r"(\d{1,3})(?:\.(\d{1,4}))?%")
_DEVICES = re.compile(r"(\d{1,9})(k?)")


def policy_of(file: Path | None, stages: str = "", counters: Sequence[str] = ()) -> Policy:
    """Return the policy in FILE, the default one without it, with STAGES and COUNTERS as given.

    Args:
        file: TOML, or JSON, of the words of a policy.
        stages: such as 100,1k,10%,100%: devices, then shares of all; each lasts as the default ones do.
        counters: of each device that counts any of it is expected to count as in the control arm.

    Raises:
        GateError: one of them is malformed.
    """
    policy = Policy() if file is None else _read(file)
    criteria = (*policy.criteria, *map(counter, counters))
    sizes = tuple(map(_stage, stages.split(","))) if stages else policy.stages
    return Policy.from_json(msgspec.structs.replace(policy, stages=sizes, criteria=criteria).to_json())


def millionths(text: str) -> int:
    """Return the share TEXT, such as 0.01%, in millionths.

    >>> millionths("0.01%"), millionths("100%")
    (100, 1000000)
    """
    match = _SHARE.fullmatch(text.strip())
    found = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0")) if match else -1
    if not 0 <= found <= MILLION:
        raise RulesetError(
            f"share: expected 0% to 100% with four decimals at most, found {text!r:.40}; correct it"
        )
    return found


def _read(file: Path) -> Policy:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_POLICY + 1)
        if len(content) > MAX_POLICY:
            raise ValueError(f"more than {MAX_POLICY} bytes")
        plain = msgspec.json.decode(content) if file.suffix == ".json" else tomllib.loads(content.decode())
        return msgspec.convert(plain, Policy)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise GateError(bounded(f"{file}: expected a policy of gates, found: {error}; correct it")) from error


def _stage(text: str) -> Stage:
    """Return the stage that TEXT means, as long as the default ones of its kind."""
    word = text.strip()
    shares = [stage for stage in Policy().stages if stage.millionths]
    if word.endswith("%"):
        return msgspec.structs.replace(shares[0], millionths=millionths(word))
    match = _DEVICES.fullmatch(word)
    if match is None or not int(match[1]):
        raise GateError(
            f"stages: expected devices or shares such as 100,1k,10%,100%, found {word!r:.40}; correct it"
        )
    return Stage(devices=int(match[1]) * (1_000 if match[2] else 1))
