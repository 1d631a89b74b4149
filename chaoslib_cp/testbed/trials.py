"""Trying what only trying can tell: namespaces, a bridge, nft rules, a container, in namespaces of their own."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.inheritance import Kind, handed_to

_LIMIT_S = 15.0

# Everything the testbed's own rules and kube-proxy's need of the kernel, and nothing is sent anywhere.
_NFT = """
table ip chaoslib_cp_doctor {
  map service { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain prerouting {
    type nat hook prerouting priority -110
    ip daddr 192.0.2.1 tcp dport 443 dnat ip to numgen inc mod 2 map { 0 : 192.0.2.2, 1 : 192.0.2.3 }
    fib daddr type local accept
  }
  chain forward { type filter hook forward priority 0; ct state established accept; reject; }
  chain postrouting { type nat hook postrouting priority 100; masquerade; }
}
"""
_BRIDGE = """
link add br0 type bridge
link add pod0 type veth peer name pod1
link set pod0 master br0
link set pod0 type bridge_slave hairpin on
"""


@dataclass(frozen=True)
class Trial:
    """Something to try.

    Attributes:
        name: What works when it succeeds.
        argv: Command that is run in namespaces like a testbed's.
        text: Its standard input.
        fix: What helps when it fails.
    """

    name: str
    argv: tuple[str, ...]
    text: str
    fix: str

    def failure(self, rootless: bool) -> str:
        """Try it.

        Args:
            rootless: In a user namespace, as an ordinary user would.

        Returns:
            Why it does not work, in the words of the command; empty when it does.
        """
        user = ["--user", "--map-root-user"] if rootless else []
        spaces = ["--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        command = ["unshare", *user, *spaces, *self.argv]
        try:
            tried = subprocess.run(
                command,
                input=self.text,
                text=True,
                capture_output=True,
                timeout=_LIMIT_S,
                check=False,
                **handed_to(Kind.TOOL),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if tried.returncode == 0:
            return ""
        return " ".join(tried.stderr.split())[:200] or f"{self.argv[0]} ended with status {tried.returncode}"


def wanted(rootless: bool) -> list[Trial]:
    """Return all trials; when the first fails, the others cannot succeed.

    Args:
        rootless: As for ``Trial.failure``.
    """
    right = _namespaces_fix(rootless)
    kernel = "modprobe -a {} (in a container: on its host), or use a kernel that has it"
    return [
        Trial("namespaces", ("true",), "", right),
        Trial("bridge and veth", ("ip", "-batch", "-"), _BRIDGE, kernel.format("bridge veth br_netfilter")),
        Trial("nf_tables", ("nft", "-f", "-"), _NFT, kernel.format("nf_tables nft_numgen nft_fib_inet nft_nat")),
        Trial("containers", ("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "true"), "", right),
    ]


def _namespaces_fix(rootless: bool) -> str:
    """Name the setting that stands in the way of namespaces, as far as the kernel tells."""
    if not rootless:
        return "in a container: start it with --privileged (CAP_SYS_ADMIN, no filter on unshare and mount)"
    settings: dict[str, Callable[[int], bool]] = {
        "kernel.unprivileged_userns_clone=1": lambda value: value == 0,  # Debian
        "kernel.apparmor_restrict_unprivileged_userns=0": lambda value: value != 0,  # Ubuntu 23.10 and later
        "user.max_user_namespaces=10000": lambda value: value == 0,
    }
    wrong = [setting for setting, is_wrong in settings.items() if _is_set(setting, is_wrong)]
    if wrong:
        return " && ".join(f"sudo sysctl -w {setting}" for setting in wrong)
    return "run it as root; in a container: let it unshare user namespaces (seccomp and AppArmor unconfined)"


def _is_set(setting: str, is_wrong: Callable[[int], bool]) -> bool:
    file = Path("/proc/sys") / setting.split("=", maxsplit=1)[0].replace(".", "/")
    try:
        return is_wrong(int(file.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return False  # this kernel does not know it
