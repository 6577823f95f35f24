"""Tasks and releases: from the folder of a task to the release that a device should run.

`task` (what a bundle holds and means), `cohort` (who a device is) and `rollout` (which release it should run)
are pure; `bundle` turns folders into bundles, files and histories.
"""

from deploy.bundle.bundle import Bundle
from deploy.bundle.bundlefile import read_bundle, write_bundle
from deploy.bundle.pack import Packed, pack
from deploy.bundle.proof import Proof, prove
from deploy.bundle.store import Store
from deploy.chooser import Chooser
from deploy.cohort import Cohort, Condition
from deploy.errors import BundleError, DeployError, HistoryError, RulesetError, TaskError
from deploy.growth import surprises
from deploy.profile import read_profile
from deploy.rollout import Assignment, Release, Ruleset, choose
from deploy.task.card import Card, card_text
from deploy.task.changes import Changes, changes
from deploy.task.manifest import Manifest
from deploy.task.policy import Policy
from deploy.task.version import Commit, Version

__all__ = [
    "Assignment",
    "Bundle",
    "BundleError",
    "Card",
    "Changes",
    "Chooser",
    "Cohort",
    "Commit",
    "Condition",
    "DeployError",
    "HistoryError",
    "Manifest",
    "Packed",
    "Policy",
    "Proof",
    "Release",
    "Ruleset",
    "RulesetError",
    "Store",
    "TaskError",
    "Version",
    "card_text",
    "changes",
    "choose",
    "pack",
    "prove",
    "read_bundle",
    "read_profile",
    "surprises",
    "write_bundle",
]
