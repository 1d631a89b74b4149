"""The network inside a testbed's namespace: one bridge for pods, host addresses on ``lo``, no way out.

There is no default route and no link to the machine's own network, so whatever runs here cannot reach it: an
unintended destination answers "Network is unreachable".
"""

import ipaddress
import subprocess
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed import addresses

SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    # replies between two pods on the bridge must pass conntrack, which undoes kube-proxy's address translation
    "net/bridge/bridge-nf-call-iptables": "1",
    "net/ipv4/ip_local_port_range": "10240 65535",
    # 200 agents and their re-connections leave many sockets in TIME-WAIT
    "net/ipv4/tcp_tw_reuse": "1",
}

_PAGE_NODE_PORT, _PAGE_PORT = 30953, 8080
"""Of the prober's page (``agent/manifests/prober.yaml``)."""


def set_up(api_servers: int, kubelet_nodes: int) -> None:
    """Make the bridge, the host addresses, the routes and the balancer. Must run inside the namespace, once.

    Raises:
        TestbedFailed: a command of ``ip`` or ``nft`` failed; the namespace ends with the supervisor.
    """
    hosts = [addresses.API_STABLE, addresses.ETCD, addresses.OUTSIDE_RESOLVER]
    hosts += [addresses.api_server(index) for index in range(api_servers)]
    hosts += [addresses.node(index + 1) for index in range(kubelet_nodes)]
    lines = ["link set lo up"]
    lines += [f"addr add {address}/32 dev lo" for address in hosts]
    lines += [
        f"link add {addresses.BRIDGE} type bridge forward_delay 0",
        f"addr add {addresses.BRIDGE_ADDRESS}/16 dev {addresses.BRIDGE}",
        f"link set {addresses.BRIDGE} up",
        # a locally made packet to a Service needs a route before kube-proxy's rules see it
        f"route add {addresses.SERVICE_CIDR} dev {addresses.BRIDGE} src {addresses.BRIDGE_ADDRESS}",
    ]
    run_with_input(["ip", "-batch", "-"], "\n".join(lines))
    for name, value in SYSCTLS.items():
        sysctl = Path("/proc/sys") / name
        if sysctl.exists():
            sysctl.write_text(value)
    balance(list(range(api_servers)))
    let_pods_reach_themselves(kubelet_nodes)
    lead_to_the_prober_of_each_node(kubelet_nodes)


def let_pods_reach_themselves(kubelet_nodes: int) -> None:
    """Hide the address of a pod that is sent to itself by a Service, so that its answers come back through the bridge.

    Each node's kube-proxy does so for the pods of its node (source: kubernetes, proxy/nftables, hairpin-connections).
    Ours is one for all nodes, and takes the pods of the first for its own.
    """
    pods = [
        str(pod)
        for number in range(kubelet_nodes)
        for pod in ipaddress.ip_network(addresses.node_pod_cidr(number + 1)).hosts()
    ]
    elements = ", ".join(f"{pod} . {pod}" for pod in pods)
    run_with_input(
        ["nft", "-f", "-"],
        f"""
        table ip chaoslib_cp_pods {{
            set themselves {{
                type ipv4_addr . ipv4_addr
                elements = {{ {elements} }}
            }}
            chain postrouting {{
                type nat hook postrouting priority srcnat
                ct status dnat ip saddr . ip daddr @themselves masquerade
            }}
        }}
        """,
    )


def lead_to_the_prober_of_each_node(kubelet_nodes: int) -> None:
    """Let the NodePort of the prober's page lead to the prober of the node that is asked.

    Each node's kube-proxy does so where a Service says ``externalTrafficPolicy: Local``. Ours is one for all nodes, and
    would lead them all to the prober of the first.
    """
    nodes = range(1, kubelet_nodes + 1)
    pairs = ", ".join(f"{addresses.node(number)} : {addresses.prober(number)}" for number in nodes)
    rule = f"tcp dport {_PAGE_NODE_PORT} dnat ip to ip daddr map {{ {pairs} }} : {_PAGE_PORT}"
    # before kube-proxy's chains at priority dstnat (-100)
    run_with_input(
        ["nft", "-f", "-"],
        f"""
        table ip chaoslib_cp_probers {{
            chain prerouting {{
                type nat hook prerouting priority -110
                {rule}
            }}
            chain output {{
                type nat hook output priority -110
                {rule}
            }}
        }}
        """,
    )


def balance(alive: list[int]) -> None:
    """Send new connections for the stable API address to these API servers in turn, without a user-space copy.

    With none alive the rule stays away, and clients are refused as they would be by a dead load balancer target.
    """
    rule = ""
    if alive:
        targets = ", ".join(f"{turn} : {addresses.api_server(index)}" for turn, index in enumerate(alive))
        rule = (
            f"ip daddr {addresses.API_STABLE} tcp dport {addresses.API_PORT} "
            f"dnat ip to numgen inc mod {len(alive)} map {{ {targets} }}"
        )
    # before kube-proxy's chains at priority dstnat (-100), so that a Service with this address would not interfere
    run_with_input(
        ["nft", "-f", "-"],
        f"""
        table ip chaoslib_cp
        delete table ip chaoslib_cp
        table ip chaoslib_cp {{
            chain prerouting {{
                type nat hook prerouting priority -110
                {rule}
            }}
            chain output {{
                type nat hook output priority -110
                {rule}
            }}
        }}
        """,
    )


def run_with_input(command: list[str], text: str) -> None:
    """Run a system program with ``text`` as its input.

    Raises:
        TestbedFailed: it is missing, or it failed; the message holds its words.
    """
    try:
        subprocess.run(command, input=text, text=True, check=True, capture_output=True, **handed_to(Kind.TOOL))
    except FileNotFoundError as error:
        raise TestbedFailed(f"{command[0]} is not installed; run: chaos cp doctor") from error
    except subprocess.CalledProcessError as error:
        raise TestbedFailed(f"{command[0]} failed: {error.stderr.strip()}") from error
