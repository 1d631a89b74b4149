"""What a pod's resolv.conf(5) says: whom its C library asks, and for which names."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaoslib_cp.errors import ProfileInvalid

RESOLV_CONF: Final = Path("/etc/resolv.conf")
_NDOTS: Final = re.compile(r"ndots:[0-9]{1,2}")


@dataclass(frozen=True)
class ResolvConf:
    """What a resolv.conf(5) says.

    Attributes:
        nameservers: In the order in which a C library asks: the second only where the first does not answer.
        domain: The cluster's DNS domain, from the search list that a kubelet writes; empty where there is none.
        search: The search list, without final dots.
        ndots: A name with at least so many dots is asked for as it stands first.
    """

    nameservers: tuple[str, ...]
    domain: str = ""
    search: tuple[str, ...] = ()
    ndots: int = 1


def read_resolv_conf(text: str) -> ResolvConf:
    """Read the text of a resolv.conf(5).

    Raises:
        ProfileInvalid: It has no nameserver.
    """
    lines = [line.split() for line in text.splitlines()]
    nameservers = tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")
    if not nameservers:
        raise ProfileInvalid(
            "no nameserver in /etc/resolv.conf; nothing was asked; give the pod dnsPolicy ClusterFirst"
        )
    # the last search line counts; a kubelet writes NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN (source: kubelet, dns.go)
    search = next((words[1:] for words in reversed(lines) if words and words[0] == "search"), [])
    domains = [name.removeprefix("svc.").rstrip(".") for name in search if name.startswith("svc.")]
    options = [word for words in lines if words and words[0] == "options" for word in words[1:]]
    ndots = [int(word.removeprefix("ndots:")) for word in options if _NDOTS.fullmatch(word)]
    listed = tuple(name.rstrip(".") for name in search)
    return ResolvConf(nameservers, next(iter(domains), ""), listed, ndots[-1] if ndots else 1)
