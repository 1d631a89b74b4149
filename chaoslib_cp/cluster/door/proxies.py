"""Would the environment's proxy variables send a request elsewhere? Then it is refused: a proxy is no API server."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import SplitResult
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # left out of typeshed

from chaoslib_cp.errors import TargetRefused


def refuse_proxy(parts: SplitResult, place: str, environ: Mapping[str, str] | None = None) -> None:
    """Refuse a server that kubectl would reach through a proxy of the environment.

    Args:
        parts: The server's URL.
        place: Where the user gave it.
        environ: The environment, that of this process by default.

    Raises:
        TargetRefused: A proxy variable counts for it; nothing was changed.
    """
    environ = os.environ if environ is None else environ
    name = f"{parts.scheme}_proxy"
    variable = next((known for known in (name.upper(), name) if environ.get(known)), "")
    host = parts.hostname or ""
    if not variable or _is_loopback(host):
        return
    exceptions = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if _is_in_network(host, exceptions) or proxy_bypass_environment(host, {"no": exceptions}):
        return
    raise TargetRefused(
        f"{place}: {variable} would send what is meant for {host} to a proxy, and a proxy would be measured in place "
        f"of the API server; nothing was changed; add {host} to NO_PROXY, or unset {variable}"
    )


def _is_loopback(host: str) -> bool:
    """Source: Go, golang.org/x/net/http/httpproxy: a request to localhost or loopback never goes through a proxy."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_in_network(host: str, exceptions: str) -> bool:
    """NO_PROXY may hold networks, which Python passes over and Go does not."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in exceptions.split(","):
        try:
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
