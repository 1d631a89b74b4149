"""Rehearse the day a rollout takes down the Kubernetes API, then cluster DNS, then your own way in.

A Chaos Toolkit extension: ``chaos discover --no-install chaostoolkit-cp`` lists its activities.
"""

from typing import Any

from chaoslib_cp.version import VERSION

__all__ = ["__version__", "discover"]
__version__ = VERSION

_ACTIONS = ("apiserver", "dns", "rollout")
_PROBES = ("access", "apiserver", "dns", "rollout")


def discover(discover_system: bool = True) -> dict[str, Any]:  # noqa: ARG001 - Chaos Toolkit passes it by name
    """List what this extension offers, in the form ``chaos discover`` writes.

    Args:
        discover_system: Accepted for Chaos Toolkit; no cluster is asked.

    Returns:
        Chaos Toolkit's discovery mapping with every action and probe under ``activities``.
    """
    # Imported here: this module is imported by every command, also by those that need no Chaos Toolkit.
    from chaoslib.discovery.discover import discover_actions, discover_probes, initialize_discovery_result

    discovery: dict[str, Any] = initialize_discovery_result("chaostoolkit-cp", VERSION, "kubernetes control plane")
    for area in _ACTIONS:
        discovery["activities"].extend(discover_actions(f"chaoslib_cp.{area}.actions"))
    for area in _PROBES:
        discovery["activities"].extend(discover_probes(f"chaoslib_cp.{area}.probes"))
    return discovery
