"""An identity's credentials and the server's address, taken up front for those who measure without this client."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaoslib_cp.cluster.door.address import first_that_accepts
from chaoslib_cp.cluster.door.authorization import authorization
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.settings import Settings

_LOOK_S = 5.0  # only where a name has several addresses

__all__ = ["ClusterAccess", "credentials"]


@dataclass(frozen=True)
class ClusterAccess:
    """All that one HTTPS call needs; never printed, never written.

    Attributes:
        address: IP address of the server that took a connection when this was made.
        port: Its port.
        server_name: Name (or address) the certificate must be for.
        ca_pem: Certificate authority, empty to use the system's.
        client_cert_pem: Client certificate chain, empty with a token.
        client_key_pem: Its key, empty with a token.
        token: Bearer token, empty with a certificate.
        addresses: All addresses of the server as ``ip:port``.
    """

    address: str
    port: int
    server_name: str
    ca_pem: str = field(repr=False)
    client_cert_pem: str = field(repr=False)
    client_key_pem: str = field(repr=False)
    token: str = field(repr=False)
    addresses: tuple[str, ...]


def credentials(settings: Settings, identity: str) -> ClusterAccess:
    """Read one identity's credentials through the same door as every other call.

    Args:
        settings: What the run was told.
        identity: ``runner``, ``admin``, ``break-glass`` or ``observer``.

    Raises:
        TargetRefused: No such identity in the kubeconfig.
        TargetUnreachable: The server's name does not resolve.
    """
    with open_cluster(settings, identity) as cluster:
        client = cluster.client_configuration
        address, _, port = first_that_accepts(cluster.addresses, _LOOK_S).rpartition(":")
        return ClusterAccess(
            address=address.strip("[]"),
            port=int(port),
            server_name=str(client.tls_server_name or urlsplit(cluster.server).hostname or ""),
            ca_pem=_content(client.ssl_ca_cert),
            client_cert_pem=_content(client.cert_file),
            client_key_pem=_content(client.key_file),
            token=_token(client),
            addresses=cluster.addresses,
        )


def _content(path: str | None) -> str:
    return Path(path).read_text(encoding="ascii") if path else ""


def _token(client: Any) -> str:
    return "".join(authorization(client).values()).removeprefix("Bearer ")
