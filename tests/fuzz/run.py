"""Give decoders inputs by chance, for minutes each.

    python tests/fuzz/run.py MINUTES [TARGET ...]

Memory is bounded to 1 GiB beyond what the start takes. An input that fails is kept in tests/fuzz/kept/TARGET,
where the suite tries it ever after. Exit code 1 if one failed.
"""

from __future__ import annotations

import random
import resource
import sys
from pathlib import Path

from stream.testing.fuzzing import attempt, bound_memory, fuzz, kept_inputs
from stream.testing.targets import TARGETS

KEPT = Path(__file__).with_name("kept")
MORE_BYTES = 1 << 30


def main() -> int:
    """Fuzz the targets that are named, each for as long; return the exit code."""
    minutes, named = float(sys.argv[1]), sys.argv[2:]
    failed = False
    for target in TARGETS:
        if named and target.name not in named:
            continue
        for seed in target.seeds():
            attempt(target, seed)  # what is loaded late is no allocation of an input
        bound_memory(MORE_BYTES)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seed_number = random.randrange(2**32)
        report = fuzz(target, minutes * 60, random.Random(seed_number), kept_inputs(KEPT / target.name))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        ways = len(report.ways - {""})
        sys.stdout.write(
            f"{target.name}: {report.inputs} inputs (seed {seed_number}), {report.taken} taken, refused in"
            f" {ways} ways, {len(report.failures)} failures, memory grew by {grown:.0f} MiB\n"
        )
        for failure in report.failures.values():
            file = KEPT / target.name / failure.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(failure.data)
            sys.stdout.write(f"  {file}: {failure.what}\n")
        sys.stdout.flush()
        failed |= bool(report.failures)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
