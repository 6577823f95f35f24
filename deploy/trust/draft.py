"""New versions of roles, signed and checked in memory: what a change would write.

1. `edit` (of python-tuf) opens the newest version of a role, lets it be changed, and closes it: the next
   number, a new end, signatures of all given keys that may sign it, and the check that these are enough.
2. `settle` gives anew what is due and what the given keys can sign: snapshot and timestamp after what they
   name. Roles that stay due are told; a top role whose keys changed may not stay so.

The newest version is the highest number that its delegator's keys signed: what a cut left whole is taken up,
what it left half done is passed over. The published one, which the timestamp leads to, is never gone behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, Targets, Timestamp
from tuf.repository import Repository as TufRepository

from deploy import canonical
from deploy.errors import OvertakenError, TrustError
from deploy.trust.due import Standing, due
from deploy.trust.keys import Key
from deploy.trust.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, TOP, file_of, life, max_bytes
from deploy.trust.shelf import Shelf, Written
from deploy.trust.told import SHORT, changes
from deploy.trust.tufkeys import tuf_key
from featuregraph.shown import bounded

_FORMS = {ROOT: Root, SNAPSHOT: Snapshot, TIMESTAMP: Timestamp}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = "restore the repository from a copy"


class Draft(TufRepository):
    """A change of the repository on a shelf, signed with KEYS at a moment of time."""

    def __init__(self, shelf: Shelf, keys: Iterable[Key], now_ms: int) -> None:
        self._shelf, self._now_ms = shelf, now_ms
        self._keys = {key.id: key for key in keys}
        self._versions = shelf.versions()
        self._found: dict[str, tuple[Metadata[Any], bytes] | None] = {}
        self._made: dict[str, tuple[Metadata[Any], bytes]] = {}
        self.targets_made: dict[str, bytes] = {}
        self.left: dict[str, str] = {}

    # ------------------------------------------------------------ python-tuf's interface

    def open(self, role: str) -> Metadata[Any]:
        """Return a copy of the newest version of ROLE, made or found; a blank one if there is none."""
        if (newest := self._newest(role)) is not None:
            return deepcopy(newest[0])
        blank: Metadata[Any] = Metadata(_FORMS.get(role, Targets)())
        if isinstance(blank.signed, Snapshot):
            blank.signed.meta = {}
        if isinstance(blank.signed, Timestamp):
            blank.signed.snapshot_meta = deepcopy(self.snapshot_info)
        return blank

    def close(self, role: str, md: Metadata[Any]) -> None:
        """Make MD the next version of ROLE, signed; raise TrustError if the keys are too few."""
        md.signed.version = self.next(role)
        md.signed.expires = _EPOCH + timedelta(milliseconds=self._now_ms, days=life(role).days)
        md.signed.expires = md.signed.expires.replace(microsecond=0)
        md.signatures.clear()
        if role == ROOT:
            self._made[role] = (md, b"")  # it names the keys that sign it, beside those of the root before
        for name in self._able(role):
            key = self._keys[name]
            md.sign(CryptoSigner(key.private, tuf_key(key.public)), append=True)
        if not self._is_signed(role, md):
            raise TrustError(self._lacking(role))
        content = md.to_bytes()
        if len(content) > max_bytes(role):
            raise TrustError(
                f"{role}: expected at most {max_bytes(role)} bytes, found {len(content)}; withdraw some"
            )
        self._made[role] = (md, content)

    def take(self, role: str, md: Metadata[Any], content: bytes) -> None:
        """Make MD, signed elsewhere, the next version of ROLE; raise TrustError if it is not that.

        Raises:
            OvertakenError: another has the number that it gives itself.
        """
        if md.signed.version != self.next(role):
            raise OvertakenError(
                f"{role}: expected version {self.next(role)}, found {md.signed.version};"
                " look at what is there and sign again"
            )
        if not self._is_signed(role, md):
            raise TrustError(
                f"{role}: expected signatures of its keys, found too few; give all that must sign"
            )
        if self._standing(role, md).until_ms <= self._now_ms:
            raise TrustError(f"{role}: expected a list that holds, found one that ended; look at the clock")
        self._made[role] = (md, content)

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        """Return what the snapshot should name: targets, and the tasks that have a list."""
        lists = {role: self._newest(role) for role in (TARGETS, *self.tasks)}
        return {f"{role}.json": _meta(*newest) for role, newest in lists.items() if newest is not None}

    @property
    def snapshot_info(self) -> MetaFile:
        """Return what the timestamp should name."""
        newest = self._newest(SNAPSHOT)
        return MetaFile(1) if newest is None else _meta(*newest)

    # ------------------------------------------------------------ what is there

    @property
    def tasks(self) -> dict[str, Any]:
        """Return the delegated roles by their names."""
        targets = self._signed(TARGETS)
        if not isinstance(targets, Targets) or targets.delegations is None:
            return {}
        return dict(targets.delegations.roles or {})

    @property
    def written(self) -> Written:
        """Return the new files."""
        metadata = {(role, md.signed.version): content for role, (md, content) in self._made.items()}
        return Written(dict(self.targets_made), metadata)

    @property
    def lines(self) -> list[str]:
        """Return what changes, for people."""
        told: list[str] = []
        for role, (md, _) in self._made.items():
            before = self._load(role)
            told += changes(role, before[0].signed if before else None, md.signed)
        return told

    def is_there(self, role: str) -> bool:
        """Tell whether ROLE has a version."""
        return self._newest(role) is not None

    def content(self, role: str) -> bytes:
        """Return the newest version of ROLE as its file says it."""
        newest = self._newest(role)
        assert newest is not None, "whoever asks knows that it is there"
        return newest[1]

    def next(self, role: str) -> int:
        """Return the number of the next version: no number is given twice."""
        newest = self._load(role)
        there = self._versions.get(role, []) if role != ROOT else []
        return max([newest[0].signed.version if newest else 0, *there]) + 1

    def published(self, role: str) -> int:
        """Return which version of ROLE the timestamp leads to, 0 if it leads to none."""
        if role == TIMESTAMP or not self._versions.get(TIMESTAMP):
            return 0
        number: int = self._parsed(TIMESTAMP, 0)[0].signed.snapshot_meta.version
        if role == SNAPSHOT:
            return number
        meta = self._parsed(SNAPSHOT, number)[0].signed.meta.get(f"{role}.json")
        return 0 if meta is None else meta.version

    def standings(self) -> list[Standing]:
        """Return how each role that is there stands, tasks before what names them."""
        order = [ROOT, *self.tasks, TARGETS, SNAPSHOT, TIMESTAMP]
        return [self._standing(role, newest[0]) for role in order if (newest := self._newest(role))]

    def due(self) -> dict[str, str]:
        """Return which roles are due, and why."""
        return due(self.standings(), self._now_ms)

    # ------------------------------------------------------------ giving anew

    def settle(self) -> None:
        """Give anew what is due, as far as the keys go; tell what stays due.

        Raises:
            TrustError: a top role would be left that its own keys did not sign.
        """
        for role in self.due():
            if role not in (*self._made, SNAPSHOT, TIMESTAMP) and self._can_sign(role):
                with self.edit(role):
                    pass
        for role, give in ((SNAPSHOT, self.do_snapshot), (TIMESTAMP, self.do_timestamp)):
            if not self.is_there(role) or (role in self.due() and self._can_sign(role)):
                try:
                    give(force=True)
                except ValueError as error:
                    raise TrustError(
                        f"{role}: expected nothing older than it names: {error}; {_STEP}"
                    ) from error
        self.left = self.due()
        for role in self.left:
            if role in TOP and not self._standing(role, self.open(role)).signed:
                raise TrustError(self._lacking(role))

    # ------------------------------------------------------------ inside

    def _newest(self, role: str) -> tuple[Metadata[Any], bytes] | None:
        return self._made.get(role) or self._load(role)

    def _signed(self, role: str) -> Signed | None:
        newest = self._newest(role)
        return None if newest is None else newest[0].signed

    def _load(self, role: str) -> tuple[Metadata[Any], bytes] | None:
        """Return the newest version of ROLE on the shelf."""
        if role not in self._found:
            self._found[role] = self._search(role)
        return self._found[role]

    def _search(self, role: str) -> tuple[Metadata[Any], bytes] | None:
        there = self._versions.get(role, [])
        if role == ROOT:  # clients go up one by one
            number = next((n for n in range(1, len(there) + 2) if n not in there), 1) - 1
            return self._parsed(role, number) if number else None
        delegator = self._load(TARGETS if role not in TOP else ROOT)
        if delegator is None or not there:
            return None
        published = self.published(role)
        for number in there:
            if number < published:
                break
            found = self._parsed(role, number)
            if _signs(delegator[0].signed, role, found[0]) and self._is_led_to(found[0].signed):
                return found
        return self._parsed(role, published) if published or role == TIMESTAMP else None

    def _is_led_to(self, signed: Signed) -> bool:
        """Tell whether all that SIGNED names counts: a cut may leave a snapshot without the root it needs."""
        if not isinstance(signed, Snapshot):
            return True
        lists = {role: self._load(role) for role in self._versions if f"{role}.json" in signed.meta}
        return all(
            one is None or one[0].signed.version >= signed.meta[f"{role}.json"].version
            for role, one in lists.items()
        )

    def _parsed(self, role: str, version: int) -> tuple[Metadata[Any], bytes]:
        try:
            content = self._shelf.read(role, version)
            found: Metadata[Any] = Metadata.from_bytes(content)
            if not isinstance(found.signed, _FORMS.get(role, Targets)):
                raise RepositoryError(found.signed.type)
            if role != TIMESTAMP and found.signed.version != version:
                raise RepositoryError(f"version {found.signed.version}")
        except (OSError, RepositoryError) as error:
            raise TrustError(
                bounded(f"{file_of(role, version)}: expected metadata, found: {error}; {_STEP}")
            ) from error
        return found, content

    def _standing(self, role: str, md: Metadata[Any]) -> Standing:
        signed = md.signed
        current = True
        if isinstance(signed, Snapshot):
            current = all(signed.meta.get(name) == meta for name, meta in self.targets_infos.items())
        elif isinstance(signed, Timestamp):
            current = signed.snapshot_meta == self.snapshot_info
        until = (signed.expires - _EPOCH) // timedelta(milliseconds=1)
        return Standing(role, until, self._is_signed(role, md), current)

    def _is_signed(self, role: str, md: Metadata[Any]) -> bool:
        if role == ROOT:
            before = self._load(ROOT)
            previous = before[0].signed if before is not None and ROOT in self._made else None
            return bool(md.signed.get_root_verification_result(previous, md.signed_bytes, md.signatures))
        delegator = self._signed(TARGETS if role not in TOP else ROOT)
        return delegator is not None and _signs(delegator, role, md)

    def _holders(self, role: str) -> list[tuple[list[str], int]]:
        """Return the sets of keys that sign ROLE, each with how many must: of a new root two."""
        if role == ROOT:
            roots = [one[0].signed.roles[ROOT] for one in (self._load(ROOT), self._newest(ROOT)) if one]
            return [(one.keyids, one.threshold) for one in roots]
        delegator: Any = self._signed(TARGETS if role not in TOP else ROOT)
        one = delegator.get_delegated_role(role)
        return [(one.keyids, one.threshold)]

    def _able(self, role: str) -> list[str]:
        """Return the ids of the given keys that may sign ROLE."""
        wanted = dict.fromkeys(name for names, _ in self._holders(role) for name in names)
        return [name for name in wanted if name in self._keys]

    def _can_sign(self, role: str) -> bool:
        return all(sum(n in self._keys for n in names) >= least for names, least in self._holders(role))

    def _lacking(self, role: str) -> str:
        """Return the line that says which keys of ROLE are too few."""
        for names, least in self._holders(role):
            given = sum(name in self._keys for name in names)
            if given < least:
                listed = ", ".join(name[:SHORT] for name in names) or "none"
                return f"{role}: expected {least} of its keys ({listed}), found {given}; give them with --key"
        return f"{role}: expected good signatures, found other ones; {_STEP}"


def _signs(delegator: Any, role: str, md: Metadata[Any]) -> bool:
    """Tell whether a threshold of the keys that DELEGATOR names for ROLE signed MD."""
    try:
        return bool(delegator.get_verification_result(role, md.signed_bytes, md.signatures))
    except ValueError:  # it names nobody for that role
        return False


def _meta(md: Metadata[Any], content: bytes) -> MetaFile:
    """Return what names MD: number, length and hash, so that nothing else is read in its place."""
    return MetaFile(md.signed.version, len(content), {"sha256": canonical.digest(content)})
