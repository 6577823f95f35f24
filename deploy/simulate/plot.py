"""Coverage over time as a picture, by matplotlib, which only this file imports and only when it draws."""

from __future__ import annotations

from pathlib import Path

from deploy.simulate.estimate import Estimate


def coverage(found: Estimate, path: Path) -> None:
    """Write the curves of FOUND to PATH; its suffix says in which form."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(8.0, 4.2), layout="constrained")
    hours = [second / 3_600 for second, _, _ in found.curve]
    axis.plot(
        hours, [100 * share for _, share, _ in found.curve], color="#08306b", label="online at the start"
    )
    axis.plot(hours, [100 * share for _, _, share in found.curve], color="#d94801", label="all devices")
    given = found.assumptions
    axis.set_title(
        f"{given.devices:,} devices, {given.online:.0%} online, {given.requests_per_h:g} requests an hour",
        loc="left",
    )
    axis.set_xlabel("hours from the release")
    axis.set_ylabel("% of devices that run it")
    axis.set_ylim(0, 101)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
