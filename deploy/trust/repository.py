"""A TUF repository in a folder (specification 1.0.34): who vouches for what, and what a device starts from.

Every operation is one step: signed with the keys at hand, checked as a client would, and written so that a
cut leaves the version before. With dry=True nothing is written. Each tells what it changes, in lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tuf.api.metadata import DelegatedRole, Delegations, Root, TargetFile, Targets

from deploy import canonical
from deploy.errors import TrustError
from deploy.task.manifest import Manifest
from deploy.trust import lists
from deploy.trust.assignments import TARGET as ASSIGNMENT_KEYS
from deploy.trust.assignments import AssignmentKeys
from deploy.trust.draft import Draft
from deploy.trust.due import Standing
from deploy.trust.keys import Key, PublicKey
from deploy.trust.lists import Find, Listed
from deploy.trust.roles import ROOT, SNAPSHOT, TARGETS, TOP, check_task, place_of, target_of
from deploy.trust.shelf import Shelf
from deploy.trust.told import SHORT
from deploy.trust.tufkeys import tuf_key
from stream.clock import Clock, SystemClock

KEPT_S: Final = 14 * 86_400  # that metadata stays which nothing leads to any more


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signs for a role, and how many of them must."""

    keys: Sequence[PublicKey]
    threshold: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= len({key.id for key in self.keys}):
            raise TrustError(
                f"expected a threshold from 1 to the number of keys, found {self.threshold} of"
                f" {len(self.keys)}; add keys or lower it"
            )


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation changed, or would, in lines; and which roles are still to sign, and why."""

    lines: tuple[str, ...]
    left: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Status:
    """A role as it stands."""

    standing: Standing
    version: int
    keys: tuple[str, ...]
    threshold: int
    why_due: str | None


class Repository:
    """The TUF repository in FOLDER; any number of processes may change it, one at a time."""

    def __init__(self, folder: Path, *, clock: Clock | None = None, dry: bool = False) -> None:
        self._shelf, self._clock, self._dry = Shelf(folder), clock or SystemClock(), dry
        self._folder = folder

    @property
    def metadata(self) -> Path:
        """Return the folder whose files are served as metadata."""
        return self._shelf.metadata

    @property
    def targets(self) -> Path:
        """Return the folder whose files are served as targets."""
        return self._shelf.targets

    # ------------------------------------------------------------ the ceremony

    def init(self, signers: Mapping[str, Signers], keys: Iterable[Key]) -> Done:
        """Make the first version of all top roles, each with its SIGNERS; KEYS sign them."""
        if set(signers) != set(TOP):
            raise TrustError(f"expected signers of {', '.join(TOP)}, found {', '.join(signers)}; name each")
        with self._draft(keys, made=False) as draft:
            if draft.is_there(ROOT):
                raise TrustError(
                    f"{self._folder}: expected no repository, found one; rotate its keys instead"
                )
            with draft.edit_root() as root:
                root.consistent_snapshot = True
                for role, trusted in signers.items():
                    _name(root, role, trusted)
            with draft.edit_targets():
                pass
        return _done(draft)

    def delegate(self, task: str, signers: Signers, keys: Iterable[Key]) -> Done:
        """Let SIGNERS vouch for the bundles of TASK, and for nothing else."""
        check_task(task)
        with self._draft(keys) as draft:
            if task in draft.tasks:
                raise TrustError(f"{task}: expected nobody to sign for it, found signers; rotate its keys")
            with draft.edit_targets() as targets:
                delegations = targets.delegations = targets.delegations or Delegations({}, {})
                role = DelegatedRole(task, [], 1, terminating=True, paths=[f"{task}/*"])
                delegations.roles = {**(delegations.roles or {}), task: role}
                _name(targets, task, signers)
        return _done(draft)

    def rotate(
        self,
        role: str,
        keys: Iterable[Key],
        *,
        add: Sequence[PublicKey] = (),
        remove: Sequence[str] = (),
        threshold: int | None = None,
    ) -> Done:
        """Change who signs for ROLE: keys to ADD, ids of keys to REMOVE, how many must sign.

        A new root is signed by the threshold of the old one and by its own, so that devices follow.
        """
        with self._draft(keys) as draft, _delegator(draft, role) as signed:
            _change(signed, role, add, remove, threshold)
        return _done(draft)

    def revoke(self, key: str, keys: Iterable[Key]) -> Done:
        """Take the key of an id from every role, and from the keys that sign assignments."""
        with self._draft(keys) as draft:
            roles = _roles_of(draft, key)
            trusted = _assignment_keys(self._shelf, draft)
            if not roles and (trusted is None or key not in trusted.keys):
                raise TrustError(
                    f"expected a key of some role, found {key[:SHORT]!r} in none; see headrace keys status"
                )
            for role in roles:
                with _delegator(draft, role) as signed:
                    _change(signed, role, (), (key,), None)
            if trusted is not None and key in trusted.keys:
                rest = {name: public for name, public in trusted.keys.items() if name != key}
                if len(rest) < trusted.threshold:
                    raise TrustError(
                        "expected enough keys to sign assignments, found too few without it; assign others"
                    )
                _add(draft, TARGETS, ASSIGNMENT_KEYS, AssignmentKeys(rest, trusted.threshold).to_json())
        return _done(draft)

    def undelegate(self, task: str, keys: Iterable[Key]) -> Done:
        """Let nobody vouch for TASK any more: no device takes a bundle of it."""
        with self._draft(keys) as draft:
            _known(draft, task)
            with draft.edit_targets() as targets:
                assert targets.delegations is not None
                for key in list(draft.tasks[task].keyids):
                    targets.revoke_key(key, task)
                targets.delegations.roles = {n: r for n, r in draft.tasks.items() if n != task}
        return _done(draft)

    def assign(self, trusted: AssignmentKeys, keys: Iterable[Key]) -> Done:
        """Let the keys of TRUSTED sign assignments."""
        with self._draft(keys) as draft:
            _add(draft, TARGETS, ASSIGNMENT_KEYS, trusted.to_json())
        return _done(draft)

    # ------------------------------------------------------------ every day

    def publish(self, task: str, content: bytes, keys: Iterable[Key], version: str | None = None) -> Done:
        """Vouch for the bundle whose manifest is CONTENT, a VERSION of the task; twice is once."""
        manifest = Manifest.from_json(content)
        if manifest.task != task:
            raise TrustError(
                f"expected a bundle of {task!r}, found one of {manifest.task!r}; publish it there"
            )
        with self._draft(keys) as draft:
            _known(draft, task)
            _add(draft, task, target_of(task, manifest.id), content, {"version": version})
        return _done(draft)

    def take(self, task: str, content: bytes, keys: Iterable[Key], find: Find) -> Done:
        """Take the list of TASK that its publishers signed elsewhere; KEYS give what names it. Twice is once.

        Args:
            task: one that is delegated.
            content: the signed list, the next after the one that is in force.
            keys: of snapshot and timestamp.
            find: returns the manifest of a bundle that is here.

        Raises:
            OvertakenError: it is not the next one.
            TrustError: too few of the task's keys signed it, or it lists what is no bundle of it here.
        """
        md = lists.read(task, content)
        with self._draft(keys) as draft:
            _known(draft, task)
            before = draft.open(task).signed if draft.is_there(task) else None
            if before is None or md.signed_bytes != draft.open(task).signed_bytes:
                draft.take(task, md, content)
                for path, manifest in lists.contents(task, md.signed, before, find).items():
                    draft.targets_made[place_of(path, canonical.digest(manifest))] = manifest
        return _done(draft)

    def withdraw(self, task: str, bundle: str, keys: Iterable[Key]) -> Done:
        """Vouch for BUNDLE no more: no device begins to run it."""
        path = target_of(task, bundle)
        with self._draft(keys) as draft:
            _known(draft, task)
            if path not in draft.targets(task).targets:
                raise TrustError(
                    f"{task}: expected a published bundle, found no {bundle:.12}; see what it lists"
                )
            with draft.edit_targets(task) as targets:
                del targets.targets[path]
        return _done(draft)

    def refresh(self, keys: Iterable[Key]) -> Done:
        """Give anew what is due and KEYS can sign: the daily signer. If nothing is, nothing is written."""
        with self._draft(keys) as draft:
            pass
        return _done(draft)

    def prune(self) -> list[str]:
        """Remove lists and snapshots that are long behind those in force; return the names of their files.

        Roots stay: devices follow all of them. So does what a device may still be fetching.
        """
        with self._shelf.locked():
            draft = self._look()
            roles = (SNAPSHOT, TARGETS, *draft.tasks)
            before_s = self._clock.now_ms() / 1_000 - KEPT_S
            return self._shelf.prune({role: draft.published(role) for role in roles}, before_s)

    # ------------------------------------------------------------ looking

    def status(self) -> list[Status]:
        """Return each role as it stands, the root first."""
        draft = self._look()
        why = draft.due()
        found = []
        for one in draft.standings():
            signed: Any = draft.open(one.role).signed
            holder: Any = draft.root() if one.role in TOP else draft.targets()
            trusted = holder.get_delegated_role(one.role)
            found.append(
                Status(one, signed.version, tuple(trusted.keyids), trusted.threshold, why.get(one.role))
            )
        return found

    def bundles(self, task: str) -> list[str]:
        """Return the ids of the bundles of TASK that are vouched for."""
        draft = self._look()
        _known(draft, task)
        return [path.split("/")[1].removesuffix(".json") for path in sorted(draft.targets(task).targets)]

    def listed(self, task: str) -> Listed:
        """Return the list of TASK that is in force, and the number of the next one."""
        draft = self._look()
        _known(draft, task)
        content = draft.content(task) if draft.is_there(task) else None
        return Listed(draft.next(task), None if content is None else content.decode())

    def assignment_keys(self) -> AssignmentKeys | None:
        """Return the keys that sign assignments, None if there are none yet."""
        return _assignment_keys(self._shelf, self._look())

    def root(self, version: int = 1) -> bytes:
        """Return a VERSION of the root: what devices are shipped with."""
        return self._shelf.read(ROOT, version)

    def _look(self) -> Draft:
        draft = Draft(self._shelf, (), self._clock.now_ms())
        if not draft.is_there(ROOT):
            raise TrustError(
                f"{self._folder}: expected a TUF repository, found none; headrace keys init makes one"
            )
        return draft

    @contextmanager
    def _draft(self, keys: Iterable[Key], *, made: bool = True) -> Iterator[Draft]:
        """Give a draft; settle it and bring it to the disk."""
        with nullcontext() if self._dry else self._shelf.locked():
            if made:
                self._look()
            draft = Draft(self._shelf, keys, self._clock.now_ms())
            yield draft
            draft.settle()
            if not self._dry:
                self._shelf.write(draft.written)


def _done(draft: Draft) -> Done:
    return Done(tuple(draft.lines), draft.left)


def _known(draft: Draft, task: str) -> None:
    if task not in draft.tasks:
        known = ", ".join(sorted(draft.tasks)[:5]) or "none"
        raise TrustError(
            f"expected a task that somebody signs for, found {task!r:.80} beside {known};"
            " delegate it with headrace keys delegate"
        )


def _delegator(draft: Draft, role: str) -> Any:
    """Return the context in which what names the signers of ROLE is edited."""
    if role in TOP:
        return draft.edit_root()
    _known(draft, role)
    return draft.edit_targets()


def _roles_of(draft: Draft, key: str) -> list[str]:
    """Return the roles that KEY signs, those that root names last: it is closed once for all of them."""
    held = {**draft.tasks, **draft.root().roles}
    return [role for role, trusted in held.items() if key in trusted.keyids]


def _name(signed: Root | Targets, role: str, signers: Signers) -> None:
    for key in signers.keys:
        signed.add_key(tuf_key(key), role)
    signed.get_delegated_role(role).threshold = signers.threshold


def _change(
    signed: Root | Targets, role: str, add: Sequence[PublicKey], remove: Sequence[str], threshold: int | None
) -> None:
    trusted = signed.get_delegated_role(role)
    for name in remove:
        if name not in trusted.keyids:
            raise TrustError(
                f"{role}: expected one of its keys, found {name[:SHORT]!r}; see headrace keys status"
            )
    for key in add:
        signed.add_key(tuf_key(key), role)
    for name in remove:
        signed.revoke_key(name, role)
    least = trusted.threshold if threshold is None else threshold
    if not 1 <= least <= len(trusted.keyids):
        raise TrustError(
            f"{role}: expected a threshold from 1 to the number of its keys, found {least} of"
            f" {len(trusted.keyids)}; add keys with --add or give --threshold"
        )
    trusted.threshold = least


def _add(draft: Draft, role: str, path: str, content: bytes, custom: dict[str, object] | None = None) -> None:
    """List the target at PATH, unless it is listed so."""
    digest = canonical.digest(content)
    file = TargetFile(len(content), {"sha256": digest}, path, {"custom": custom} if custom else None)
    if not (draft.is_there(role) and draft.targets(role).targets.get(path) == file):
        with draft.edit_targets(role) as targets:
            targets.targets[path] = file
    draft.targets_made[place_of(path, digest)] = content


def _assignment_keys(shelf: Shelf, draft: Draft) -> AssignmentKeys | None:
    file = draft.targets().targets.get(ASSIGNMENT_KEYS)
    if file is None:
        return None
    content = (shelf.targets / place_of(ASSIGNMENT_KEYS, file.hashes["sha256"])).read_bytes()
    return AssignmentKeys.from_json(content)
