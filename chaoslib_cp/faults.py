"""The tables of faults and mitigations: ours, and those of extensions. Whoever must know all of them reads these."""

from chaoslib_cp import extensions, vantage
from chaoslib_cp.apiserver.fault import API_OVERLOAD, API_OVERLOAD_IN_CLUSTER, API_RAMP
from chaoslib_cp.dns.fault import (
    DNS_FLUSH,
    DNS_LOAD,
    DNS_POISON,
    DNS_RESTART,
    DNS_ROGUE,
    ENDPOINT_REPLACEMENT,
    NODE_CACHE_PIN,
)
from chaoslib_cp.fault import FaultKind, Mitigation
from chaoslib_cp.results import figures
from chaoslib_cp.rollout.fault import AGENT_ROLLOUT, REMOVE_AGENT


def fault_kinds() -> tuple[FaultKind, ...]:
    """Every kind of fault there is."""
    of_dns = (DNS_RESTART, DNS_POISON, DNS_ROGUE, DNS_FLUSH, DNS_LOAD, NODE_CACHE_PIN, ENDPOINT_REPLACEMENT)
    ours = (AGENT_ROLLOUT, API_OVERLOAD, API_OVERLOAD_IN_CLUSTER, API_RAMP, *of_dns)
    return (*ours, *extensions.rows("FAULTS"))


def mitigations() -> tuple[Mitigation, ...]:
    """Everything that is known to end a fault in the middle of a run."""
    return (REMOVE_AGENT, *extensions.rows("MITIGATIONS"))


def problems() -> list[str]:
    """Why the tables cannot be relied on, one line each; empty when they can."""
    names = [kind.name for kind in fault_kinds()]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [
        *extensions.problems(),
        *vantage.problems(),
        *figures.problems(),
        *(f"two kinds of fault are called {name!r}; give one of them another name" for name in twice),
        *(
            f"mitigation {one.name!r} is against {name!r}, which is no kind of fault; use one of {', '.join(names)}"
            for one in mitigations()
            for name in one.against
            if name not in names
        ),
    ]
