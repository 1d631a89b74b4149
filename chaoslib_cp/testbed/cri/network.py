"""Pod networks: one network namespace per sandbox, joined to the node's bridge by a pair of virtual interfaces.

A namespace is held by an open file and by nothing else: no name under /run/netns, no process of its own. So when this
process ends, by whatever means, the kernel takes the namespaces and both ends of every pair with it.
"""

import contextlib
import ipaddress
import os
import subprocess
import threading
from dataclasses import dataclass

import grpc

from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed import addresses
from chaoslib_cp.testbed.cri.failure import CallFailed

# Below stay the node's own addresses: .1 is the gateway's in the first range, the others are in FIXED_HOSTS.
FIRST_POD_HOST = 64
LAST_POD_HOST = 254
FIXED_HOSTS = {
    ("chaoslib-cp.testbed/node-cache", "true"): addresses.NODE_CACHE_HOST,
    ("chaoslib-cp/role", "prober"): addresses.PROBER_HOST,
}
"""Annotations and labels of pods that have an address of their own on each node, and its place in the node's range."""
# Every pod may bind low ports, as containerd sets it since 2.0; then no process needs a capability for port 53.
POD_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0"}


@dataclass(frozen=True)
class PodNetwork:
    """Where the pods of one node live.

    Args:
        index: the node's number; part of interface names, since all nodes share one bridge.
        cidr: the node's range of pod addresses.
        bridge: the bridge's name.
        gateway: the bridge's address; with ``prefix_length`` also every pod's on-link network.
        prefix_length: of the network of all pods of all nodes.
    """

    index: int
    cidr: str
    bridge: str
    gateway: str
    prefix_length: int = 16


class Addresses:
    """The pod addresses of one node, given out in turn so that a fresh pod does not get a dead one's at once."""

    def __init__(self, cidr: str) -> None:
        self._network = ipaddress.ip_network(cidr)
        self._taken: set[str] = set()
        self._next = FIRST_POD_HOST
        self._lock = threading.Lock()

    def take(self, fixed_host: int | None = None) -> str:
        """Return a free address, or the one that is asked for.

        Raises:
            CallFailed: none is free, or another pod has that one; the kubelet tries again.
        """
        with self._lock:
            for host in self._in_turn() if fixed_host is None else [fixed_host]:
                address = str(self._network[host])
                if address not in self._taken:
                    self._taken.add(address)
                    self._next = host + 1 if fixed_host is None else self._next
                    return address
        wanted = f"in {self._network}" if fixed_host is None else str(self._network[fixed_host])
        raise CallFailed(grpc.StatusCode.RESOURCE_EXHAUSTED, f"no free pod address {wanted}: other pods have it")

    def give_back(self, address: str) -> None:
        """Make an address free again."""
        with self._lock:
            self._taken.discard(address)

    def _in_turn(self) -> list[int]:
        return [*range(self._next, LAST_POD_HOST + 1), *range(FIRST_POD_HOST, self._next)]


class PodNamespace:
    """The network namespace of one sandbox.

    Args:
        network: the node's.
        address: the pod's.
        link: name of the pair's end on the bridge; 15 characters at most.
    """

    def __init__(self, network: PodNetwork, address: str, link: str) -> None:
        self._network = network
        self._link = link
        self.address = address
        self._file: int | None = None

    @property
    def path(self) -> str:
        """The namespace as a path that other processes can open."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    def open(self, sysctls: dict[str, str]) -> None:
        """Make the namespace and everything in it.

        Args:
            sysctls: the pod's own net.* settings.

        Raises:
            CallFailed: a command failed; nothing is left behind.
        """
        try:
            self._file = _new_namespace()
        except OSError as error:
            raise CallFailed(grpc.StatusCode.INTERNAL, f"cannot make a network namespace: {error}") from error
        try:
            self._join_bridge()
            self._set_up_inside()
            for name, value in {**POD_SYSCTLS, **sysctls}.items():
                self._write_sysctl(name, value)
        except CallFailed:
            self.close()
            raise

    def close(self) -> None:
        """Remove the interfaces, then let go of the namespace; it ends with the last process in it."""
        if self._file is None:
            return
        with contextlib.suppress(CallFailed):  # gone already is what we want
            _run(["ip", "link", "delete", self._link])
        os.close(self._file)
        self._file = None

    def entering(self, command: list[str]) -> list[str]:
        """Return ``command`` as it is run inside."""
        return ["nsenter", f"--net={self.path}", "--", *command]

    def _join_bridge(self) -> None:
        # Hairpin: a pod must reach itself through a Service address.
        lines = [
            f"link add {self._link} type veth peer name eth0 netns {self.path}",
            f"link set {self._link} master {self._network.bridge} up",
            f"link set {self._link} type bridge_slave hairpin on",
        ]
        _run(["ip", "-batch", "-"], "\n".join(lines))

    def _set_up_inside(self) -> None:
        # The hardware address follows the IP address, so that neighbours' tables stay right when the next pod gets
        # the same address: the DNS cache of a node always does (the bridge plugin of CNI does the same).
        mac = ":".join(f"{octet:02x}" for octet in (0x0A, 0x58, *ipaddress.ip_address(self.address).packed))
        lines = [
            "link set lo up",
            f"link set eth0 address {mac} up",
            f"addr add {self.address}/{self._network.prefix_length} dev eth0",
            f"route add default via {self._network.gateway}",
        ]
        _run(self.entering(["ip", "-batch", "-"]), "\n".join(lines))

    def _write_sysctl(self, name: str, value: str) -> None:
        _run(self.entering(["tee", f"/proc/sys/{name.replace('.', '/')}"]), value)


def _new_namespace() -> int:
    """Return an open file of a new network namespace.

    A short-lived process makes it: this one has threads, and they must all stay where they are.
    """
    ready_read, ready_write = os.pipe()
    with (
        os.fdopen(ready_read, "rb") as ready,
        subprocess.Popen(
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=ready_write, **handed_to(Kind.TOOL)
        ) as maker,
    ):
        os.close(ready_write)
        if maker.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it ended at once; the empty read below says so
                maker.stdin.write(b"\n")
                maker.stdin.flush()
        if not ready.read(1):
            raise CallFailed(grpc.StatusCode.INTERNAL, "cannot make a network namespace: unshare --net failed")
        return os.open(f"/proc/{maker.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _run(command: list[str], text: str = "") -> None:
    try:
        subprocess.run(command, input=text, text=True, check=True, capture_output=True, **handed_to(Kind.TOOL))
    except (OSError, subprocess.CalledProcessError) as error:
        words = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise CallFailed(grpc.StatusCode.INTERNAL, f"pod network: {' '.join(command)} failed: {words}") from error
