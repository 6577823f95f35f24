"""A report as a page of Markdown, and its picture."""

from __future__ import annotations

from pathlib import Path

from headrace.bench.page import bullets, texts
from headrace.bench.replay import told
from headrace.bench.replay.figures import cost
from headrace.bench.replay.run import Report
from headrace.bench.replay.systems import OURS, SYSTEMS

PICTURE = "replay.png"
_INK, _OURS_INK = "#9ecae1", "#08306b"
_SIZE = (10.0, 4.2)  # inches
_LIMITS = 0.05, 20.0  # million events/s
_DPI = 110


def markdown(report: Report, call: str) -> str:
    """Return REPORT; CALL printed it, and its picture stands beside the page."""
    parts = ["# Replay: results", f"Printed by `{call}`, in one run.", bullets(told.facts(report))]
    parts += ["## Figures", *texts([*told.figures(report), told.equality(report)])]
    if report.equality.differences:
        parts.append(bullets([f"unequal: {line}" for line in report.equality.differences]))
    parts += ["## Systems", f"![systems]({PICTURE})", *texts([told.systems(), *told.costs(report)])]
    return "\n\n".join(parts) + "\n"


def draw(report: Report, folder: Path) -> None:
    """Write a panel per log into FOLDER: events a second of each system, logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator

    figure, axes = plt.subplots(
        1, len(report.logs), figsize=_SIZE, layout="constrained", squeeze=False, sharex=True
    )
    for axis, log in zip(axes[0], report.logs, strict=True):
        rates = _rates(report, log)
        names = sorted(rates, key=rates.__getitem__)
        bars = axis.barh(
            names, [rates[n] for n in names], color=[_OURS_INK if n == OURS else _INK for n in names]
        )
        axis.bar_label(bars, [f"{rates[n]:.2g}" for n in names], padding=3)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(10, subs=(1.0,)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlim(_LIMITS)
        axis.set_title(log, loc="left")
        axis.set_xlabel("million events/s of one core")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / PICTURE, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)


def _rates(report: Report, log: str) -> dict[str, float]:
    found = {}
    for name, system in SYSTEMS.items():
        seconds = cost(report.records, log, name, "cpu_s")
        if system.gives and seconds:
            found[name] = (cost(report.records, log, name, "events") or 0.0) / seconds / 1e6
    return found
