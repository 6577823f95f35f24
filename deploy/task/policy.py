"""What a publisher, a service or a device accepts of bundles in general. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.task.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Policy:
    """A receiver's own bounds; by default no code runs that came with a bundle."""

    scripts: bool = False
    most_bytes: int | None = None  # of all shared files; None: the bounds of the format
    most_memory_bytes: int | None = None  # that a bundle may ask for


def refusals(manifest: Manifest, policy: Policy) -> list[str]:
    """Return why POLICY refuses the bundle of MANIFEST, one line each; an empty list means it does not."""
    found = []
    if manifest.scripts and not policy.scripts:
        names = ", ".join(sorted(manifest.scripts)[:3])
        found.append(f"expected a bundle without scripts, found {names}; allow scripts or take them out")
    if policy.most_bytes is not None and manifest.size > policy.most_bytes:
        found.append(
            f"expected at most {policy.most_bytes} bytes, found {manifest.size}; make the bundle smaller"
        )
    needed = manifest.needs.memory_bytes or 0
    if policy.most_memory_bytes is not None and needed > policy.most_memory_bytes:
        found.append(
            f"expected at most {policy.most_memory_bytes} bytes of memory, found a need of {needed};"
            " ask for less"
        )
    return found
