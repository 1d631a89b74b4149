"""Corefiles as distributions and administrators write them, restated by us."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "unit/engine/poison/corefiles"
NAMES = sorted(path.stem for path in FOLDER.glob("*.Corefile"))
PORTS = {"openshift": 5353, "schemes": 1053}
"""Where the cluster's domain is asked for on another port than 53."""


def corefile(name: str) -> str:
    """The text of one, with the line ends that it has."""
    return (FOLDER / f"{name}.Corefile").read_bytes().decode()


TRUTH = "10.96.0.50"
# The plugin kubernetes has no API server here: whoever is asked first knows these two names.
STOCK = """# kept
.:{port} {{
    bind 127.0.0.1
    errors
    hosts {{
        {truth} api.shop.svc.cluster.local other.shop.svc.cluster.local
        ttl 30
        no_reverse
        fallthrough
    }}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint http://127.0.0.1:1
        startup_timeout 1s
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }}
    prometheus 127.0.0.1:0
    cache 30 {{
        disable success cluster.local
    }}
    reload 2s 1s
    loadbalance
}}
other.example:{port} {{
    bind 127.0.0.1
    whoami   # not ours
}}
"""


def stock(port: int) -> str:
    """The Corefile of a CoreDNS on loopback that knows two names of cluster.local."""
    return STOCK.format(port=port, truth=TRUTH)
