"""The audit log in words. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from deploy.cloud.audit import Entry
from deploy.cloud.console import words
from deploy.cloud.console.views.mark import Tone

_DEEDS: Final[dict[str, tuple[str, Tone]]] = {
    "release.put": ("released", "live"),
    "release.halt": ("halted the release", "bad"),
    "release.end": ("ended the release", "off"),
    "release.pause": ("paused the release", "wait"),
    "release.resume": ("let the release go on", "live"),
    "task.halt": ("halted the task", "bad"),
    "task.resume": ("resumed the task", "live"),
    "ruleset.rollback": ("went back to ruleset", "wait"),
    "bundle.publish": ("published the bundle", "off"),
    "version.commit": ("committed the version", "off"),
    "token.add": ("made the token", "off"),
    "token.revoke": ("revoked the token", "wait"),
    "gate.begin": ("began, led by gates,", "live"),
    "gate.continue": ("let grow", "live"),
    "gate.pause": ("paused", "wait"),
    "gate.stop": ("stopped", "bad"),
    "gate.done": ("is done with", "good"),
    "gate.halted": ("takes leave of", "off"),
    "gate.ended": ("takes leave of", "off"),
}
_IDS: Final = ("bundle.publish", "version.commit")


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of the log."""

    id: int
    at_ms: int
    by: str
    verb: str
    tone: Tone
    what: str
    path: str  # of the page about it below the console, "" if there is none
    why: str  # the rest, in a few words


def deed(entry: Entry) -> Deed:
    """Return ENTRY in words; an action that is not known here is told by its own name."""
    verb, tone = _DEEDS.get(entry.action, (entry.action, "off"))
    what = entry.what[:12] if entry.action in _IDS else entry.what
    return Deed(entry.id, entry.at_ms, entry.name, verb, tone, what, _path(entry), _why(entry))


def deeds(entries: Iterable[Entry]) -> list[Deed]:
    """Return ENTRIES in words."""
    return [deed(entry) for entry in entries]


def _path(entry: Entry) -> str:
    kind = entry.action.partition(".")[0]
    if kind in ("release", "gate"):
        return f"/releases/{entry.what}"
    return {"task": f"/tasks/{entry.what}", "version": f"/versions/{entry.what}"}.get(kind, "")


def _why(entry: Entry) -> str:
    detail = _object(entry.detail)
    if why := detail.get("why"):
        return str(why)
    rehearsed = detail.get("rehearsed")
    if isinstance(rehearsed, dict) and rehearsed.get("events"):
        p99 = words.micros(rehearsed.get("p99_us", 0))
        return f"rehearsed on {words.count(rehearsed['events'])} events, 99 of 100 runs within {p99}"
    told = [
        f"{name} {value}" for name in ("task", "role", "author") if isinstance(value := detail.get(name), str)
    ]
    if "ruleset" in detail:
        told.append(f"ruleset {detail['ruleset']}")
    return ", ".join(told)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
