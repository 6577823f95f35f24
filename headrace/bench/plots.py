"""Pictures of some sections, drawn with matplotlib, which only this file imports and only when it draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headrace.bench.report import Records, Report, median, values
from headrace.bench.sections.intervals import spoken
from headrace.bench.systems import CACHED, CACHED_ENGINE, COVERING, DEQUES, NAIVE, NAIVE_ENGINE, OURS

_INK = {
    NAIVE_ENGINE: "#8c2d04", NAIVE: "#d94801", "fused, engine": "#fd8d3c", "fused": "#fdae6b",
    "random cache": "#fdd0a2", CACHED_ENGINE: "#9ecae1", CACHED: "#4292c6", COVERING: "#a1d99b",
    DEQUES: "#31a354", "decoded log": "#bcbddc", "feature store": "#807dba", OURS: "#08306b",
}  # fmt: skip
_SIZE = (8.0, 4.2)  # inches
_DPI = 110


def check() -> None:
    """Raise ModuleNotFoundError, which names the extra, if pictures cannot be drawn."""
    import matplotlib as mpl  # noqa: F401


def draw(report: Report, folder: Path) -> list[str]:
    """Write a picture for each section that has one into FOLDER; return their names."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawn = []
    for name, picture in PICTURES.items():
        records = report.records.get(name)
        if not records:
            continue
        figure = picture(records)
        figure.savefig(folder / f"{name}.png", dpi=_DPI, metadata={"Software": None})
        plt.close(figure)
        drawn.append(name)
    return drawn


def _axes(columns: int = 1, **more: Any) -> tuple[Any, Any]:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, columns, figsize=_SIZE, layout="constrained", squeeze=False, **more)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes[0]


def _systems(records: Records) -> list[str]:
    """Return the systems of RECORDS in the order of their colours: the slowest first."""
    return sorted(values(records, "system"), key=list(_INK).index)


def _services(records: Records) -> Any:
    """Draw a group of bars per service: milliseconds, logarithmic."""
    figure, (axis,) = _axes()
    systems = _systems(records)
    works = values(records, "work")
    width = 0.85 / len(systems)
    for place, system in enumerate(systems):
        heights = [median(records, "cpu_ms", system=system, work=work) for work in works]
        at = [number + (place - (len(systems) - 1) / 2) * width for number in range(len(works))]
        axis.bar(at, heights, width, color=_INK[system], label=system)
    axis.set_yscale("log")
    axis.set_xticks(range(len(works)), works)
    axis.set_ylabel("CPU ms of an extraction")
    axis.set_title("Five services, a request every 10 s", loc="left")
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    return figure


def _intervals(records: Records) -> Any:
    """Draw a panel per service: milliseconds by the time between requests."""
    works, every = values(records, "work"), values(records, "every_ms")
    figure, axes = _axes(len(works), sharey=True)
    for axis, work in zip(axes, works, strict=True):
        for system in _systems(records):
            heights = [median(records, "cpu_ms", work=work, system=system, every_ms=ms) for ms in every]
            axis.plot(range(len(every)), heights, marker="o", markersize=3, color=_INK[system],
                      label=system if work == works[0] else None)  # fmt: skip
        axis.set_yscale("log")
        axis.set_xticks(range(len(every)), map(spoken, every), rotation=60, fontsize="small")
        axis.set_title(work)
    axes[0].set_ylabel("CPU ms of an extraction")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def _redundancy(records: Records) -> Any:
    """Draw a line per system: milliseconds by the share of range in common."""
    figure, (axis,) = _axes()
    works = values(records, "work")
    for system in _systems(records):
        heights = [median(records, "cpu_ms", work=work, system=system) for work in works]
        axis.plot([float(work) for work in works], heights, marker="o", color=_INK[system], label=system)
    axis.set_yscale("log")
    axis.set_xlabel("share of their hour that neighbouring features have in common")
    axis.set_ylabel("CPU ms of an extraction")
    axis.set_title("40 features on 4 types, a request every 10 s", loc="left")
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    return figure


def _memory(records: Records) -> Any:
    """Draw a line per system: milliseconds by its budget."""
    figure, (axis,) = _axes()
    fixed = [record for record in records if record["percent"] is not None]
    percents = values(fixed, "percent")
    inks = dict(zip(values(fixed, "system"), (_INK[OURS], _INK[CACHED], _INK["random cache"]), strict=False))
    for system, ink in inks.items():
        heights = [median(fixed, "cpu_ms", system=system, percent=percent) for percent in percents]
        axis.plot(percents, heights, marker="o", color=ink, label=system)
    axis.set_yscale("log")
    axis.set_xlabel("budget, % of what everything takes")
    axis.set_ylabel("CPU ms of an extraction")
    axis.set_title("VR, a request every 10 s", loc="left")
    figure.legend(loc="outside right center", frameon=False, fontsize="small")
    return figure


def _operators(records: Records) -> Any:
    """Draw stacked bars per service and system: the shares of the operators."""
    from headrace.bench.sections.operators import OPERATORS

    systems, works = values(records, "system"), values(records, "work")
    figure, axes = _axes(len(systems))
    for axis, system in zip(axes, systems, strict=True):
        below = [0.0] * len(works)
        for operator, ink in zip(OPERATORS, ("#8c2d04", "#fd8d3c", "#9e9ac8", "#08306b"), strict=True):
            heights = [median(records, operator, system=system, work=work) or 0.0 for work in works]
            axis.bar(
                works, heights, bottom=below, color=ink, label=operator if system == systems[0] else None
            )
            below = [a + b for a, b in zip(below, heights, strict=True)]
        axis.set_title(system)
    axes[0].set_ylabel("CPU ms")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


PICTURES: Mapping[str, Callable[[Records], Any]] = {
    "services": _services,
    "intervals": _intervals,
    "redundancy": _redundancy,
    "memory": _memory,
    "operators": _operators,
}
