"""What a device believes of bundles: the client workflow of TUF (specification 5), by python-tuf's ngclient.

    FOLDER/root.json  timestamp.json  snapshot.json  targets.json  TASK.json    what was believed last
    FOLDER/root_history/N.root.json
    FOLDER/.work/                                                               a copy, while a refresh runs

The client writes without a sync, which after a cut could leave less than was believed before, and let an
older repository pass for new. So it works on a copy, and what it believed is brought back file by file, each
whole and on the disk, before anybody acts on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api.exceptions import DownloadError, ExpiredMetadataError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from deploy import canonical, limits
from deploy.errors import TrustError
from deploy.task.manifest import Manifest
from deploy.trust import files
from deploy.trust.assignments import MAX_BYTES as MAX_KEYS
from deploy.trust.assignments import TARGET as ASSIGNMENT_KEYS
from deploy.trust.assignments import AssignmentKeys
from deploy.trust.fetcher import Fetcher
from deploy.trust.roles import MAX_BYTES, MAX_ROTATIONS, ROOT, SNAPSHOT, TARGETS, TIMESTAMP, target_of
from featuregraph.shown import bounded
from stream.atomic import replacing

_CONFIG = UpdaterConfig(
    max_root_rotations=MAX_ROTATIONS,
    root_max_length=MAX_BYTES[ROOT],
    timestamp_max_length=MAX_BYTES[TIMESTAMP],
    snapshot_max_length=MAX_BYTES[SNAPSHOT],
    targets_max_length=MAX_BYTES[TARGETS],
)


class TrustedTargets:
    """The targets of one repository that a device may believe; one process at a time uses FOLDER.

    Args:
        folder: where what was believed is kept.
        metadata_url: the address of the repository's metadata.
        targets_url: the address of its targets.
        fetcher: how files are fetched; by default within the bounds of `Fetcher`.
        root: the root that the device was shipped with; None: the one in FOLDER.
    """

    def __init__(
        self,
        folder: Path,
        metadata_url: str,
        targets_url: str,
        fetcher: FetcherInterface | None = None,
        root: bytes | None = None,
    ) -> None:
        self._folder, self._work = folder, folder / ".work"
        self._urls = metadata_url, targets_url
        self._fetcher = fetcher or Fetcher(partials=folder / ".partial")
        self._root = root
        self._updater: Updater | None = None

    def refresh(self) -> None:
        """Learn which state of the repository is the newest one; raise TrustError if none may be believed."""
        self._updater = None
        with self._told("metadata"):
            self._copy()
            if self._root is None and not (self._folder / "root.json").is_file():
                raise TrustError(
                    f"{self._folder}: expected the root that this device was shipped with, found none"
                )
            updater = self._made()
            try:
                updater.refresh()
            finally:
                self._keep()
            self._updater = updater

    def manifest(self, task: str, bundle_id: str) -> Manifest:
        """Return the manifest of BUNDLE_ID of TASK; raise TrustError unless its publishers vouch for it."""
        path = target_of(task, bundle_id)
        content = self.content(path, limits.MAX_MANIFEST)
        if (found := canonical.digest(content)) != bundle_id:
            raise TrustError(f"{path}: expected the manifest of that id, found {found:.12}; publish it again")
        manifest = Manifest.from_json(content)
        if manifest.task != task:
            raise TrustError(
                f"{path}: expected a bundle of {task!r}, found {manifest.task!r}; publish it again"
            )
        return manifest

    def assignment_keys(self) -> AssignmentKeys:
        """Return the keys that sign assignments; raise TrustError if there are none to be believed."""
        return AssignmentKeys.from_json(self.content(ASSIGNMENT_KEYS, MAX_KEYS))

    def content(self, path: str, most: int) -> bytes:
        """Return the target at PATH of at most MOST bytes; raise TrustError if it is none to be believed."""
        file = self._work / ".target"
        try:
            self.fetch(path, file, most)
            return file.read_bytes()
        finally:
            file.unlink(missing_ok=True)

    def fetch(self, path: str, file: Path, most: int) -> None:
        """Let FILE hold the target at PATH, unless it does; raise TrustError if it is none to be believed."""
        if self._updater is None:
            self.refresh()
        updater = self._updater
        assert updater is not None
        with self._told(path):
            try:
                info = updater.get_targetinfo(path)
            finally:
                self._keep()
            if info is None:
                raise TrustError(
                    f"{path}: expected a target that somebody signed for, found none; publish it"
                )
            if info.length > most:
                raise TrustError(
                    f"{path}: expected at most {most} bytes, found {info.length}; publish a smaller one"
                )
            if updater.find_cached_target(info, str(file)) is None:
                with replacing(file) as part:
                    updater.download_target(info, str(part))

    # ------------------------------------------------------------ the copy

    def _made(self) -> Updater:
        metadata, targets = self._urls
        return Updater(str(self._work), metadata, None, targets, self._fetcher, _CONFIG, bootstrap=self._root)

    def _copy(self) -> None:
        """Make the copy that the client works on."""
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        for path in _kept(self._folder):
            copy = self._work / path.relative_to(self._folder)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())

    def _keep(self) -> None:
        """Bring what the client believes to the disk: roots first, as all else is believed by them."""
        for path in _kept(self._work):
            kept, content = self._folder / path.relative_to(self._work), path.read_bytes()
            if not kept.is_file() or kept.read_bytes() != content:
                files.put(kept, content)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Let each refusal of python-tuf be one line."""
        try:
            yield
        except ExpiredMetadataError as error:
            raise _refused(what, error, "the signer stands still, or this clock is wrong") from error
        except DownloadError as error:
            raise _refused(what, error.__cause__ or error, "try again later") from error
        except (RepositoryError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, TrustError):
                raise
            raise _refused(what, error, "it is damaged or forged; what runs goes on") from error


def _refused(what: str, error: BaseException, step: str) -> TrustError:
    return TrustError(bounded(f"{what}: expected what may be believed, found: {error}; {step}"))


def _kept(folder: Path) -> list[Path]:
    """Return the metadata in FOLDER, roots first, the oldest before."""
    roots = sorted(folder.glob("root_history/*.root.json"), key=lambda path: (len(path.name), path.name))
    return [*roots, *sorted(path for path in folder.glob("*.json") if path.is_file())]
