"""`headrace keys`: the keys of a repository, its ceremony and its daily signer.

Every command that changes a repository prints what it changes, and with --dry-run changes nothing.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.held import PassphraseFile, held, passphrase
from deploy.cli.options import REF_HELP, StoreOption, store_of
from deploy.errors import TrustError
from deploy.trust import keys
from deploy.trust.keys import PublicKey
from headrace import console

if TYPE_CHECKING:
    from deploy.trust.repository import Done, Repository, Signers

SHORT = 12  # digits of a key's id that people compare

Home = Annotated[Path, typer.Argument(metavar="REPOSITORY", help="The folder of the TUF repository.")]
Role = Annotated[str, typer.Argument(help="root, targets, snapshot, timestamp, or a task.")]
Task = Annotated[str, typer.Argument(help="The task's name.")]
Held = Annotated[
    list[Path],
    typer.Option("--key", "-k", metavar="FILE", help="A private key to sign with; may be given again."),
]
Public = list[Path]
Dry = Annotated[bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")]
Threshold = Annotated[int, typer.Option("--threshold", "-t", min=1, help="How many of the keys must sign.")]


def new(
    file: Annotated[Path, typer.Argument(help="Where the private key is written; FILE.pub beside it.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key: the private one in FILE, the public one in FILE.pub."""
    key = keys.generate()
    keys.write(file, key, passphrase(passphrase_file))
    console.say(key.id)
    console.note(f"written: {file}, for its owner alone, and {keys.public_file(file)}")


def show(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Public keys.")],
    json: console.JsonOption = False,
) -> None:
    """Print the ids of public keys, to compare by eye."""
    found = [(str(file), keys.read_public(file).id) for file in files]
    if json:
        console.emit_json([{"file": file, "id": name} for file, name in found])
        return
    for file, name in found:
        console.say(f"{name}  {file}")


def init(
    repository: Home,
    *,
    root: Annotated[Public, typer.Option(metavar="PUB", help="A public key of root; may be given again.")],
    targets: Annotated[Public, typer.Option(metavar="PUB", help="Of targets.")],
    snapshot: Annotated[Public, typer.Option(metavar="PUB", help="Of snapshot.")],
    timestamp: Annotated[Public, typer.Option(metavar="PUB", help="Of timestamp.")],
    key: Held,
    root_threshold: Annotated[int, typer.Option(min=1, help="How many of root's keys must sign.")] = 1,
    targets_threshold: Annotated[int, typer.Option(min=1, help="How many of targets' keys must sign.")] = 1,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a TUF repository with its four top roles."""
    signers = {
        "root": _signers(root, root_threshold),
        "targets": _signers(targets, targets_threshold),
        "snapshot": _signers(snapshot, 1),
        "timestamp": _signers(timestamp, 1),
    }
    _tell(_open(repository, dry_run).init(signers, held(key, passphrase_file)), dry=dry_run)


def delegate(
    repository: Home,
    task: Task,
    to: Annotated[Public, typer.Option(metavar="PUB", help="A public key; may be given again.")],
    key: Held,
    threshold: Threshold = 1,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Let keys sign for the bundles of a task."""
    done = _open(repository, dry_run).delegate(task, _signers(to, threshold), held(key, passphrase_file))
    _tell(done, dry=dry_run)


def rotate(
    repository: Home,
    role: Role,
    key: Held,
    add: Annotated[
        Public | None, typer.Option(metavar="PUB", help="A public key that signs from now on.")
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="The beginning of the id of a key that signs no more."),
    ] = None,
    threshold: Annotated[
        int | None, typer.Option("--threshold", "-t", min=1, help="How many must sign.")
    ] = None,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Change who signs for a role; devices follow by a chain of roots."""
    home = _open(repository, dry_run)
    done = home.rotate(
        role,
        held(key, passphrase_file),
        add=_public(add or []),
        remove=[_full(home, name) for name in remove or []],
        threshold=threshold,
    )
    _tell(done, dry=dry_run)


def revoke(
    repository: Home,
    id: Annotated[str, typer.Argument(metavar="ID", help="The beginning of the key's id.")],
    key: Held,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Take a key from every role and from the keys of assignments."""
    home = _open(repository, dry_run)
    _tell(home.revoke(_full(home, id), held(key, passphrase_file)), dry=dry_run)


def assign(
    repository: Home,
    to: Annotated[Public, typer.Option(metavar="PUB", help="A public key; may be given again.")],
    key: Held,
    threshold: Threshold = 1,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Let keys sign assignments, in place of those that did."""
    from deploy.trust.assignments import AssignmentKeys

    trusted = AssignmentKeys.of(_public(to), threshold)
    _tell(_open(repository, dry_run).assign(trusted, held(key, passphrase_file)), dry=dry_run)


def withdraw(
    repository: Home,
    task: Task,
    bundle: Annotated[str, typer.Argument(help="The bundle's id.")],
    key: Held,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Vouch for a bundle no more: no device begins to run it."""
    done = _open(repository, dry_run).withdraw(task, bundle, held(key, passphrase_file))
    _tell(done, dry=dry_run)


def vouch(
    repository: Home,
    ref: Annotated[str, typer.Argument(help=REF_HELP)],
    key: Held,
    store: StoreOption = None,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Vouch for a bundle: devices may run it once it is released."""
    from deploy.bundle.refs import resolve

    found = resolve(ref, store_of(store))
    found.bundle.verify()
    manifest, version = found.bundle.manifest, None if found.version is None else found.version.id
    signing = held(key, passphrase_file)
    done = _open(repository, dry_run).publish(manifest.task, manifest.to_json(), signing, version)
    _tell(done, dry=dry_run)


def refresh(
    repository: Home,
    key: Held,
    every: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", min=0.01, help="Go on until interrupted, looking so often."),
    ] = None,
    dry_run: Dry = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Sign anew what is due: to be run each day.

    With --every it goes on by itself; what fails is told, and tried again the next time.
    """
    home, signing = _open(repository, dry_run), held(key, passphrase_file)
    while True:
        try:
            _tell(home.refresh(signing), dry=dry_run)
        except (TrustError, OSError) as error:
            if every is None:
                raise
            console.note(f"not signed: {error}")
        if every is None:
            return
        time.sleep(every * 60)


def status(repository: Home, json: console.JsonOption = False) -> None:
    """Show each role: version, end, keys, and what is due."""
    from featuregraph.times import format_time

    found = _open(repository, dry=True).status()
    if json:
        console.emit_json(found)
        return
    rows = [
        (
            one.standing.role,
            one.version,
            format_time(one.standing.until_ms)[:16] + "Z",
            f"{one.threshold} of {len(one.keys)}",
            " ".join(name[:SHORT] for name in one.keys),
            one.why_due,
        )
        for one in found
    ]
    columns = ("role", "version", "until", "sign", "keys", "due")
    console.print_table("", columns, rows, prose=("keys", "due"))


# ---------------------------------------------------------------- what they share


def _open(folder: Path, dry: bool) -> Repository:
    from deploy.trust.repository import Repository

    return Repository(folder, dry=dry)


def _tell(done: Done, *, dry: bool) -> None:
    for line in done.lines:
        console.say(line)
    for role, why in done.left.items():
        console.note(f"still to sign: {role}: {why}")
    console.note("nothing was changed" if dry or not done.lines else "signed and written")


def _signers(files: Public, threshold: int) -> Signers:
    from deploy.trust.repository import Signers

    return Signers(_public(files), threshold)


def _public(files: Public) -> list[PublicKey]:
    return [keys.read_public(file) for file in files]


def _full(home: Repository, beginning: str) -> str:
    """Return the one id of the repository that begins with BEGINNING."""
    trusted = home.assignment_keys()
    known = {name for one in home.status() for name in one.keys} | set(trusted.keys if trusted else ())
    found = sorted(name for name in known if name.startswith(beginning))
    if len(found) != 1 or len(beginning) < 4:  # fewer digits are a guess
        raise TrustError(
            f"expected the first digits of one key's id, found {beginning!r:.80} of {len(found)};"
            " headrace keys status lists them"
        )
    return found[0]
