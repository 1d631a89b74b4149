"""One identity's way to one cluster, described once for all who ask it anything: gate, actions, observer, recover.

It says where (addresses, path, the names the certificate and the request carry), how the server proves itself, and as
whom we come.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult

from chaoslib_cp.cluster.door.address import addresses_of, first_that_accepts
from chaoslib_cp.cluster.door.login import Login
from chaoslib_cp.cluster.door.tls import CertificateUnreadable, authority_hash, certificates_in, client_context
from chaoslib_cp.engine.sample.https import HttpsTarget
from chaoslib_cp.errors import TargetRefused

_LOOK_S = 5.0  # only where a name has several addresses


@dataclass(frozen=True)
class ConnectionSettings:
    """What somebody wrote down of a cluster and of who we are there, all of it read.

    Attributes:
        place: Where it was written down.
        server: URL of the server, its path included.
        tls_server_name: Name that the certificate must carry, empty for the server's own.
        authority: Bundle with the certificate authority, None without one.
        authority_keys: Where the authority is written, for the refusal.
        is_insecure: Any certificate is to be accepted; counts only without an authority.
        impersonation: Headers that say whom to stand for.
        login: As whom we come.
    """

    place: str
    server: str
    tls_server_name: str
    authority: bytes | None = field(repr=False)
    authority_keys: str
    is_insecure: bool
    impersonation: tuple[tuple[str, str], ...]
    login: Login


@dataclass(frozen=True)
class Connection:
    """All that a call to the API needs.

    Attributes:
        identity: ``runner``, ``admin``, ``break-glass`` or ``observer``.
        context: The kubeconfig context behind it, empty when there is no kubeconfig.
        kubeconfig: Path of the kubeconfig, empty when there is none.
        place: Where it was written down, in words.
        server: ``https://host:port/path`` as configured.
        scheme: ``https`` or ``http``.
        host: The server as a request names it: its name or address, with its port if one is written.
        base_path: Path below which the API is, without a slash at its end; empty at the root.
        server_name: Name, or address, that the certificate must carry.
        addresses: The server's addresses as ``ip:port``.
        ca_pem: Its authority's certificates; empty without one.
        ca_sha256: Hash of them, empty without one.
        is_verified: Whether whoever answers must have a certificate of that authority.
        is_insecure: Any certificate is accepted.
        impersonation: Headers that say whom to stand for.
        login: As whom we come.
    """

    identity: str
    context: str
    kubeconfig: str
    place: str
    server: str
    scheme: str
    host: str
    base_path: str
    server_name: str
    addresses: tuple[str, ...]
    ca_pem: bytes = field(repr=False)
    ca_sha256: str
    is_verified: bool
    is_insecure: bool
    impersonation: tuple[tuple[str, str], ...]
    login: Login

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that say who we are, as they are now."""
        authorization = self.login.credentials().authorization
        return (*((("Authorization", authorization),) if authorization else ()), *self.impersonation)

    def tls(self) -> ssl.SSLContext:
        """Make the context for connections, with the client certificate as it is now.

        Raises:
            TargetRefused: The client certificate or its key cannot be used; nothing was sent.
        """
        now = self.login.credentials()
        try:
            return client_context(self.ca_pem, not self.is_insecure, now.client_cert_pem, now.client_key_pem)
        except CertificateUnreadable:
            raise TargetRefused(
                f"{self.place}: its client certificate or key cannot be used; nothing was changed; see that they are "
                "PEM, belong together, and that the key has no password"
            ) from None

    def target(self) -> HttpsTarget:
        """The same for the sampling engine: the address that takes connections, and who we are now.

        Raises:
            TargetRefused: As :meth:`tls`.
        """
        return self.target_at(first_that_accepts(self.addresses, _LOOK_S))

    def target_at(self, server: str) -> HttpsTarget:
        """The same for one address: its certificate must still be that of the cluster.

        Args:
            server: ``ip:port``.

        Raises:
            TargetRefused: As :meth:`tls`.
        """
        address, _, port = server.rpartition(":")
        return HttpsTarget(
            address=address.strip("[]"),
            port=int(port),
            server_name=self.server_name,
            tls=self.tls() if self.scheme == "https" else None,
            host=self.host,
            base_path=self.base_path,
            headers=self.headers(),
        )


def connection_of(
    told: ConnectionSettings, parts: SplitResult, who: tuple[str, str, str], known_addresses: Sequence[str]
) -> Connection:
    """Make the description from what was read.

    Args:
        told: What was read.
        parts: The server's URL, checked.
        who: Identity, context and kubeconfig.
        known_addresses: ``ip:port`` noted earlier.

    Raises:
        TargetRefused: Authority or client certificate cannot be used.
        TargetUnreachable: The name does not resolve and nothing was noted.
    """
    ca_pem, ca_sha256 = _authority(told)
    connection = Connection(
        *who,
        place=told.place,
        server=told.server,
        scheme=parts.scheme,
        host=parts.netloc,
        base_path=parts.path.rstrip("/"),
        server_name=told.tls_server_name or parts.hostname or "",
        addresses=addresses_of(parts, known_addresses),
        ca_pem=ca_pem,
        ca_sha256=ca_sha256,
        is_verified=bool(ca_sha256) and parts.scheme == "https",
        is_insecure=told.is_insecure and not ca_pem,
        impersonation=told.impersonation,
        login=told.login,
    )
    connection.tls()  # refused now, and not in the middle of a storm
    return connection


def _authority(told: ConnectionSettings) -> tuple[bytes, str]:
    if told.authority is None:
        return b"", ""
    try:
        ca_pem = certificates_in(told.authority)
        return ca_pem, authority_hash(ca_pem)
    except CertificateUnreadable:
        raise TargetRefused(
            f"{told.place}: its certificate authority cannot be read; nothing was changed; correct "
            f"{told.authority_keys}"
        ) from None
