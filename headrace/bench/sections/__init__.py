"""The measurements, a file each: which workloads it wants, what it records, and the tables of the records."""

from __future__ import annotations

from headrace.bench.section import Section
from headrace.bench.sections import (
    cold,
    day,
    every,
    imports,
    intervals,
    log,
    memory,
    model,
    modes,
    operators,
    plans,
    push,
    redundancy,
    scale,
    services,
)

SECTIONS: dict[str, Section] = {
    section.name: section
    for section in (
        services.SECTION,
        every.SECTION,
        intervals.SECTION,
        redundancy.SECTION,
        memory.SECTION,
        operators.SECTION,
        model.SECTION,
        modes.SECTION,
        push.SECTION,
        scale.SECTION,
        cold.SECTION,
        log.SECTION,
        plans.SECTION,
        day.SECTION,
        imports.SECTION,
    )
}
