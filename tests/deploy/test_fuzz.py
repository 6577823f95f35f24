"""Manifests, versions, rulesets, bundles and words by chance: taken in their one form, or one line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from deploy import (
    BundleError,
    Chooser,
    Cohort,
    Condition,
    HistoryError,
    Manifest,
    Release,
    Ruleset,
    RulesetError,
    TaskError,
    Version,
    choose,
    pack,
    read_bundle,
    read_profile,
    write_bundle,
)
from deploy.bundle.taskfile import read_task_file
from deploy.errors import DeployError
from stream.testing.fuzzing import Target, attempt, fuzz
from stream.testing.mutation import mutated, mutated_json

pytestmark = pytest.mark.device

SECONDS, INPUTS_LEAST = 0.5, 8
NAMES = ("manifest", "version", "ruleset", "profile", "bundle", "task.toml")

WHERE = (Condition("os", "in", ("ios", 1, True)), Condition("app", "version_below", ("9.10",)))
COHORT = Cohort("s", 5, WHERE, frozenset({"a", "b"}), frozenset({"c"}))
RULES = Ruleset(3, {"r": Release("rank", "0" * 64, "a" * 64, COHORT, 2, True)}, frozenset({"tag"}))


def canonical(rng: Random, base: bytes, others: Sequence[bytes]) -> bytes:
    """Return BASE with other values, mostly in canonical form, so that it comes past the first check."""
    data = mutated_json(rng, base, others) if rng.random() < 0.8 else mutated(rng, base, others)
    try:
        return json.dumps(
            json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except (ValueError, RecursionError):
        return data


def same(kind: type[Manifest | Version | Ruleset], data: bytes) -> None:
    """Read DATA, which must be the one form of what it holds."""
    assert kind.from_json(data).to_json() == data, "a wrong result"


def rules(data: bytes) -> None:
    """Read DATA as a ruleset, and choose by it both ways."""
    ruleset = Ruleset.from_json(data)
    assert ruleset.to_json() == data, "a wrong result"
    for profile in ({}, {"os": "ios", "app": "9.9"}):
        found = choose(ruleset, "a", profile)
        assert Chooser(ruleset).choose("a", profile) == found, "a wrong result"


@pytest.fixture
def targets(task: Path, tmp_path: Path) -> dict[str, Target]:
    """Give what is fuzzed by name."""
    bundle = pack(task).bundle
    write_bundle(bundle, tmp_path / "sound")
    content = (tmp_path / "sound").read_bytes()
    version = Version("rank", bundle.id, "a" * 64, "ann", "first\nsecond", 5, "b" * 64)
    facts = json.dumps({"os": "ios", "ram": 4, "tags": ["x"], "beta": True}).encode()
    words = (task / "task.toml").read_bytes()

    def read_file(data: bytes) -> None:
        (tmp_path / "file").write_bytes(data)
        found = read_bundle(tmp_path / "file")
        found.verify()
        assert found.id != bundle.id or data == content, "a wrong result"

    def read_words(data: bytes) -> None:
        (tmp_path / "task.toml").write_bytes(data)
        read_task_file(tmp_path)

    def read_facts(data: bytes) -> None:
        try:
            facts = json.loads(data)
        except (ValueError, RecursionError):
            return
        read_profile(facts)

    made = (
        Target(
            "manifest",
            lambda: [bundle.manifest.to_json()],
            lambda d: same(Manifest, d),
            (BundleError,),
            canonical,
        ),
        Target(
            "version", lambda: [version.to_json()], lambda d: same(Version, d), (HistoryError,), canonical
        ),
        Target("ruleset", lambda: [RULES.to_json()], rules, (RulesetError,), canonical),
        Target("profile", lambda: [facts], read_facts, (RulesetError,), canonical),
        Target("bundle", lambda: [content], read_file, (DeployError,)),
        Target("task.toml", lambda: [words], read_words, (TaskError,)),
    )
    return {target.name: target for target in made}


@pytest.mark.parametrize("name", NAMES)
def test_inputs_by_chance(name: str, targets: dict[str, Target]) -> None:
    """What is sound is taken; no other input crashes, hangs or is refused otherwise than in one line."""
    target = targets[name]
    assert {attempt(target, seed) for seed in target.seeds()} == {""}
    report = fuzz(target, SECONDS, Random(), (), least=INPUTS_LEAST)
    assert not report.failures, [(one.what, one.data[:200]) for one in report.failures.values()]
