"""What changes from one version of a role to the next, in lines for people who are asked to sign it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuf.api.metadata import Role, Root, Signed, Snapshot, Targets

SHORT = 12  # digits of an id that people compare


def changes(role: str, old: Signed | None, new: Signed) -> Iterator[str]:
    """Yield what NEW says that OLD did not, the version and its end first."""
    before = f"{old.version} -> " if old is not None else ""
    yield f"{role}: version {before}{new.version}, until {new.expires:%Y-%m-%d %H:%M} UTC"
    yield from (f"{role}: {line}" for line in _lines(old, new))


def _lines(old: Signed | None, new: Signed) -> Iterator[str]:
    match new:
        case Root():
            yield from _delegated(old.roles if isinstance(old, Root) else {}, new.roles)
        case Targets():
            yield from _delegated(_delegations(old), _delegations(new))
            yield from _differences(_hashes(old), _hashes(new))
        case Snapshot():
            yield from _differences(_versions(old), _versions(new))


def _delegated(old: Mapping[str, Role], new: Mapping[str, Role]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"- {name} is delegated to nobody"
            continue
        before, after = old.get(name), new[name]
        keys = before.keyids if before else []
        if before is None or before.threshold != after.threshold:
            was = f"{before.threshold} -> " if before else ""
            yield f"~ {name}: {was}{after.threshold} of its keys must sign"
        yield from (f"- {name}: key {key[:SHORT]}" for key in keys if key not in after.keyids)
        yield from (f"+ {name}: key {key[:SHORT]}" for key in after.keyids if key not in keys)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"- {name}"
        elif name not in old:
            yield f"+ {name}: {new[name]}"
        elif old[name] != new[name]:
            yield f"~ {name}: {old[name]} -> {new[name]}"


def _delegations(signed: Signed | None) -> Mapping[str, Role]:
    if not isinstance(signed, Targets) or signed.delegations is None or signed.delegations.roles is None:
        return {}
    return signed.delegations.roles


def _hashes(signed: Signed | None) -> dict[str, str]:
    if not isinstance(signed, Targets):
        return {}
    return {path: file.hashes["sha256"][:SHORT] for path, file in signed.targets.items()}


def _versions(signed: Signed | None) -> dict[str, str]:
    if not isinstance(signed, Snapshot):
        return {}
    return {name.removesuffix(".json"): str(meta.version) for name, meta in signed.meta.items()}
