"""The image that pods of ours run: one for load, prober and rogue DNS server."""

from typing import Final

from chaoslib_cp.version import VERSION

AGENT_IMAGE: Final = f"chaoslib-cp:{VERSION}"
"""What it is called where nobody says otherwise."""


def image_of_agents(named: str, prober_image: str) -> str:
    """Which image agents run: the one that an argument or the configuration names, else the prober's, else our own."""
    return named or prober_image or AGENT_IMAGE
