"""The list of a task's bundles on its way: signed where its publishers' keys lie, taken by a repository.

1. A publisher asks for the list in force (`Listed`), believes it if one of their own keys signed it, and
   signs the next one: its key never leaves it.
2. Who takes it (`Repository.take`) holds it against the delegation, the number that comes next and the
   manifests that are here, and then gives snapshot and timestamp with the online keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, TargetFile, Targets

from deploy.errors import TrustError
from deploy.task.manifest import Manifest
from deploy.trust.keys import Key
from deploy.trust.roles import life, max_bytes, target_of
from deploy.trust.tufkeys import tuf_key
from featuregraph.shown import bounded

Find = Callable[[str], Manifest | None]  # the manifest of a bundle's id, None where it is not here


class Listed(Struct, frozen=True):
    """The list of a task in force, as its file says it (None before the first), and the next number."""

    next: int
    list: str | None = None


def vouching(
    listed: Listed, manifest: Manifest, version: str | None, keys: Sequence[Key], now_ms: int
) -> bytes | None:
    """Return the list after LISTED that vouches for the bundle of MANIFEST too; None where it does already.

    Args:
        listed: as the service tells it.
        manifest: of the bundle.
        version: of the task, that the bundle came by.
        keys: of the task; each signs.
        now_ms: since 1970.

    Raises:
        TrustError: the list is none, or none of KEYS signed it.
    """
    content = manifest.to_json()
    path = target_of(manifest.task, manifest.id)
    file = TargetFile(len(content), {"sha256": manifest.id}, path, {"custom": {"version": version}})
    signed = Targets()
    if listed.list is not None:
        before = _believed(manifest.task, listed.list.encode(), keys)
        if path in before.targets and before.expires > _at(now_ms) + timedelta(life(manifest.task).anew_days):
            return None
        signed.targets = dict(before.targets)
    signed.targets.setdefault(path, file)
    signed.version = listed.next
    signed.expires = _at(now_ms) + timedelta(life(manifest.task).days)
    made: Metadata[Any] = Metadata(signed)
    for key in keys:
        made.sign(CryptoSigner(key.private, tuf_key(key.public)), append=True)
    return made.to_bytes()


def read(task: str, content: bytes) -> Metadata[Any]:
    """Return the list of TASK in CONTENT, unverified; raise TrustError if it is none."""
    step = "sign it again"
    if len(content) > max_bytes(task):
        raise TrustError(f"{task}: expected a list of at most {max_bytes(task)} bytes, found more; withdraw")
    try:
        found: Metadata[Any] = Metadata.from_bytes(content)
    except (RepositoryError, ValueError, RecursionError) as error:
        raise TrustError(bounded(f"{task}: expected a signed list, found: {error}; {step}")) from error
    if not isinstance(found.signed, Targets) or found.signed.delegations is not None:
        raise TrustError(f"{task}: expected a list of bundles and nothing else, found {found.signed.type}")
    return found


def contents(task: str, new: Targets, before: Targets | None, find: Find) -> dict[str, bytes]:
    """Return the contents of what NEW lists and BEFORE did not, by path; raise TrustError if one is none."""
    old = {} if before is None else before.targets
    found: dict[str, bytes] = {}
    for path, file in new.targets.items():
        if old.get(path) == file:
            continue
        name = file.hashes.get("sha256", "")
        manifest = find(name) if path == target_of(task, name) and list(file.hashes) == ["sha256"] else None
        content = b"" if manifest is None else manifest.to_json()
        if manifest is None or manifest.task != task or file.length != len(content):
            raise TrustError(
                f"{task}: expected published bundles of this task, found {path!r:.80}; publish it first"
            )
        found[path] = content
    return found


def _believed(task: str, content: bytes, keys: Sequence[Key]) -> Targets:
    md = read(task, content)
    for key in keys:
        if key.id in md.signatures:
            try:
                tuf_key(key.public).verify_signature(md.signatures[key.id], md.signed_bytes)
            except UnverifiedSignatureError:
                continue
            signed: Targets = md.signed
            return signed
    raise TrustError(
        f"{task}: expected a list that one of these keys signed, found another's;"
        " give a key of the task, or look at what the service has"
    )


def _at(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms // 1_000, UTC)
