"""An identity's way to the API while the observer asks: credentials are renewed beside the questions, never by them."""

import threading
from collections.abc import Callable
from dataclasses import replace

from chaoslib_cp.cluster.door.connection import Connection
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample, HttpsTarget, KeptConnections
from chaoslib_cp.errors import ControlPlaneError

_LOOK_S = 1.0


class Way:
    """One identity's way.

    Args:
        connection: How the API is reached and as whom.

    Attributes:
        identity: As whom.
        target: What to ask and with which credentials, as it is now. Replaced as a whole.
        received_bytes: Of the bodies of all answers.
    """

    def __init__(self, connection: Connection) -> None:
        self.identity = connection.identity
        self.target = connection.target()
        self.received_bytes = 0
        self._connection = connection
        now = connection.login.credentials()
        self._certificate = (now.client_cert_pem, now.client_key_pem)

    @property
    def address(self) -> str:
        """Where it leads, as ``ip:port``."""
        return f"{self.target.address}:{self.target.port}"

    async def ask(
        self, request: HttpsRequest, deadline_s: float, kept: KeptConnections | None, server: str = ""
    ) -> HttpsSample:
        """Ask once; see :func:`https.ask`.

        Args:
            request: What to ask.
            deadline_s: Seconds that it may take.
            kept: Connections to one target, where they are kept.
            server: Another place of the same cluster to ask at, ``ip:port``.
        """
        sample = await https.ask(self.target_at(server) if server else self.target, request, deadline_s, kept)
        self.received_bytes += sample.body_bytes
        if sample.outcome == "http_401":
            self._connection.login.distrust()
        return sample

    def target_at(self, server: str) -> HttpsTarget:
        """The same for another address of the cluster, ``ip:port``."""
        address, _, port = server.rpartition(":")
        return replace(self.target, address=address.strip("[]"), port=int(port))

    def renew_until(self, stop: threading.Event, tell: Callable[[str, str], None]) -> None:
        """Start renewing in a thread of its own: a plugin may take seconds, and a file on a dead mount for ever.

        Args:
            stop: Ends it.
            tell: Called with the identity and the reason when it begins to fail, and with an empty reason when it works
                again.
        """
        threading.Thread(target=self._keep_renewing, args=(stop, tell), name="renewal", daemon=True).start()

    def _keep_renewing(self, stop: threading.Event, tell: Callable[[str, str], None]) -> None:
        login, told = self._connection.login, ""
        while not stop.wait(_LOOK_S):
            try:
                if login.renew_if_due():
                    self.target = self._renewed()
                trouble = login.trouble
            except ControlPlaneError as error:
                trouble = str(error)
            if trouble != told:
                tell(self.identity, trouble)
                told = trouble

    def _renewed(self) -> HttpsTarget:
        """The same address with new credentials; a new certificate wants new connections, a new token does not."""
        now = self._connection.login.credentials()
        certificate = (now.client_cert_pem, now.client_key_pem)
        tls = self.target.tls
        if tls is not None and certificate != self._certificate:
            tls, self._certificate = self._connection.tls(), certificate
        return replace(self.target, tls=tls, headers=self._connection.headers())
