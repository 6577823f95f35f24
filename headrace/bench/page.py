"""A report as a page of Markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headrace import console
from headrace.bench import told
from headrace.bench.report import Report, Table
from headrace.bench.section import Section


def markdown(report: Report, of: Mapping[str, Section], call: str, plots: Collection[str] = ()) -> str:
    """Return REPORT; CALL printed it, PLOTS are the sections that have a picture beside the page."""
    parts = ["# Results", f"Printed by `{call}`, in one run.", bullets(told.facts(report))]
    parts += ["## Figures", *texts(told.figures(report)), *texts([told.equality(report.equality)])]
    if report.equality.differences:
        parts.append(bullets([f"unequal: {line}" for line in report.equality.differences]))
    parts += texts([told.systems()])
    for name, tables in told.sections(report, of):
        parts.append(f"## {name}")
        if name in plots:
            parts.append(f"![{name}]({name}.png)")
        parts += texts(tables)
    parts += ["## The paper's own figures", *told.PAPER]
    return "\n\n".join(parts) + "\n"


def bullets(lines: list[str]) -> str:
    """Return LINES as a list."""
    return "\n".join(f"- {line}" for line in lines)


def texts(tables: list[Table]) -> list[str]:
    """Return TABLES as paragraphs: a title and a table each."""
    return [part for table in tables for part in _text(table)]


def _text(table: Table) -> list[str]:
    lines = [table.columns, ("---",) * len(table.columns), *table.rows]
    text = "\n".join(
        "| " + " | ".join(console.show(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
    return [f"{table.title}:", text]
