"""Measure, and write docs/benchmarks.md, docs/reliability.md and docs/mutants.md.

``python -m tests.bench [SECTION ...]``; all sections when none is named.
"""

import sys

from tests.bench import (
    arming,
    client_cpu,
    demo,
    demos,
    dns_load,
    idle,
    lockouts,
    lookups,
    mutants,
    pacing,
    presets,
    reliability,
    sampling,
    startup,
    storms,
)

SECTIONS = {
    "storms": storms.measure,
    "lockouts": lockouts.measure,
    "startup": startup.measure,
    "idle": idle.measure,
    "sampling": sampling.measure,
    "lookups": lookups.measure,
    "dns-load": dns_load.measure,
    "pacing": pacing.measure,
    "client-cpu": client_cpu.measure,
    "presets": presets.measure,
    "arming": arming.measure,
    "demos": demos.measure,
    "demo": demo.measure,
    "reliability": reliability.measure,
    "mutants": mutants.measure,
}


def main(names: list[str]) -> int:
    """Measure the sections named, in the order above."""
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        sys.stderr.write(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}\n")
        return 2
    for name, measure in SECTIONS.items():
        if not names or name in names:
            sys.stderr.write(f"measuring {name}\n")
            measure()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
