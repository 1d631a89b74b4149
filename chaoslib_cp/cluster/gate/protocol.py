"""Whether API servers take the protocol that a load profile speaks."""

from collections.abc import Sequence

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster
from chaoslib_cp.engine.load.process import offering, protocol_at
from chaoslib_cp.engine.load.profile import HTTP_1, HTTP_2, LoadProfile
from chaoslib_cp.errors import TargetRefused, TargetUnreachable


def refuse_protocol(
    cluster: Cluster, profile: LoadProfile, addresses: Sequence[str], timeout_s: float = DEFAULT_TIMEOUT_S
) -> None:
    """Refuse HTTP/2 where a server, or what stands in front of it, does not take it.

    Args:
        cluster: As whom the handshakes are made.
        profile: What will be asked.
        addresses: Where, as ``ip:port``.
        timeout_s: Limit of each wait.

    Raises:
        TargetRefused: One does not; it names the address. Nothing was sent but a TLS handshake to each.
        TargetUnreachable: One cannot be reached.
    """
    connection = cluster.connection
    if profile.protocol != HTTP_2 or connection.scheme != "https":
        return
    for address in addresses:
        try:
            chosen = protocol_at(address, connection.server_name, offering(connection.tls(), profile), timeout_s)
        except OSError as error:
            raise TargetUnreachable(f"no TLS handshake with {address}: {error}; nothing was sent") from error
        if chosen != HTTP_2:
            raise TargetRefused(
                f"{address} does not speak HTTP/2, and the load profile has protocol {HTTP_2!r}; nothing was sent; "
                f"write protocol {HTTP_1!r}, or name a server that does"
            )
