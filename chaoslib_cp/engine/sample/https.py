"""One HTTP call, which says in which phase it failed: TCP connect, TLS handshake, first byte, body.

A handshake that does not end says "starved of CPU or of accepts"; a first byte that does not come after a handshake
says "queued" (facts: Kubernetes API Priority and Fairness queues after authentication).
The peer is an IP address: nothing here needs cluster DNS while cluster DNS is what is being broken.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import httptools

from chaoslib_cp import outcome as outcomes
from chaoslib_cp.engine.sample.connection import Answer, Connection, PeerHungUpError
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.outcome import Outcome
from chaoslib_cp.version import VERSION

Phase = Literal["tcp", "tls", "first_byte", "body"]

#: More idle connections than this are closed. Enough for a few calls at the same moment; more of them pile up only
#: after a time of slow answers.
_MAX_IDLE: Final = 4


@dataclass(frozen=True)
class HttpsTarget:
    """Where to ask and who we are there.

    Attributes:
        address: IP address, never a name.
        port: TCP port.
        server_name: Name (or IP address) the certificate must carry, also sent as SNI.
        tls: How the server proves itself and we ourselves; None asks in plain HTTP.
        host: The Host header; empty for ``server_name``.
        base_path: What every path begins with, without a slash at its end.
        headers: Headers of every request as (name, value), those with credentials among them.
    """

    address: str
    port: int
    server_name: str
    tls: ssl.SSLContext | None = None
    host: str = ""
    base_path: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class HttpsRequest:
    """What to ask.

    Attributes:
        method: HTTP method.
        path: Path with its query.
        body: Request body; empty for none.
        headers: Further headers as (name, value).
        keep_body_bytes: How much of the answer's body to keep; the rest is read, counted and thrown away.
        take_body: Called with each piece of the body as it arrives; None for nobody.
    """

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    keep_body_bytes: int = 4096
    take_body: Callable[[bytes], None] | None = None

    def wire(self, target: HttpsTarget, close: bool) -> bytes:
        """Return the HTTP/1.1 request as bytes (RFC 9112)."""
        told = {name.lower() for name, _ in self.headers}
        lines = [
            f"{self.method} {target.base_path}{self.path} HTTP/1.1",
            f"Host: {target.host or target.server_name}",
            f"User-Agent: chaoslib-cp/{VERSION}",
            *(() if "accept" in told else ("Accept: application/json",)),  # a server reads the first one alone
            *(f"{name}: {value}" for name, value in (*self.headers, *target.headers)),
        ]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        if close:
            lines.append("Connection: close")
        if any("\r" in line or "\n" in line for line in lines):
            raise ProfileInvalid(f"line break in the request {self.method} to {target.address}; nothing was sent")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + self.body


@dataclass(frozen=True)
class HttpsSample:
    """What one call brought.

    Attributes:
        outcome: One word, see ``outcome.py``.
        latency_s: Everything, connecting included if the call had to.
        http_status: None when no status line came.
        failed_in: The phase that did not finish: ``tcp`` and ``tls`` (fresh connections only), ``first_byte`` or
            ``body``; None when all did.
        body: The first bytes of the answer's body, as many as the request wanted kept; not in the timeline.
        phases_s: Seconds of each phase that was begun. A kept connection has no ``tcp`` and no ``tls``; of the phase
            that failed it is the time spent in it.
        body_bytes: Length of the body, as far as it came.
        said_close: The server asked for the connection to be closed (header Connection: close), though we would have
            kept it.
        sent_again: Packets of this call that the kernel had to send again; None where it does not tell.
        hung_up: The server had closed connections that were kept, since the call before: a process that ends does, and
            one that is well does not while it is asked every few seconds.
    """

    outcome: Outcome
    latency_s: float
    http_status: int | None = None
    failed_in: Phase | None = None
    body: bytes = field(default=b"", repr=False)
    phases_s: dict[Phase, float] = field(default_factory=dict)
    body_bytes: int = 0
    said_close: bool = False
    sent_again: int | None = None
    hung_up: bool = False

    def extras(self) -> dict[str, object]:
        """What a timeline line adds for an HTTP sample."""
        shown: dict[str, object] = {"http_status": self.http_status, **({"hung_up": True} if self.hung_up else {})}
        return shown if self.failed_in is None else {**shown, "failed_in": self.failed_in}


class KeptConnections:
    """Idle connections to one target, so that a call need not connect; a broken one is replaced by the next call.

    A call takes a connection for itself (HTTP/1.1 carries one at a time), so a call that hangs holds up no other.
    """

    def __init__(self) -> None:
        self._idle: list[Connection] = []
        self._tls: ssl.SSLContext | None = None
        self.hung_up = False

    def take(self, target: HttpsTarget) -> Connection | None:
        """Return the most recently used connection that is still open, or None; ``hung_up`` says if others were not.

        When the client certificate was renewed, connections that were made with the old one are closed, as client-go
        does.
        """
        if target.tls is not self._tls:
            self.close()
            self._tls = target.tls
        self.hung_up = False
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open():
                return connection
            self.hung_up = True
        return None

    def give_back(self, connection: Connection, target: HttpsTarget) -> None:
        """Keep ``connection`` to ``target`` for the next call, or close it if enough are idle."""
        if len(self._idle) < _MAX_IDLE and target.tls is self._tls:
            self._idle.append(connection)
        else:
            connection.abort()

    def close(self) -> None:
        """Close all that are idle."""
        while self._idle:
            self._idle.pop().abort()


async def ask(
    target: HttpsTarget, request: HttpsRequest, deadline_s: float, kept: KeptConnections | None = None
) -> HttpsSample:
    """Make one call and say what came of it; never raises for a sick server or network.

    Args:
        target: Whom to ask.
        request: What to ask.
        deadline_s: Seconds for everything together.
        kept: Connections to use and to leave open; None makes a fresh one and closes it, as each kubectl does.

    Returns:
        The sample; on a timeout its latency is the time really spent.

    Raises:
        ProfileInvalid: The request cannot be written as HTTP; nothing was sent.
    """
    wire = request.wire(target, close=kept is None)
    call = _Call(target, asyncio.get_running_loop().time())
    connection = kept.take(target) if kept is not None else None
    call.hung_up = kept is not None and kept.hung_up
    try:
        async with asyncio.timeout(deadline_s):
            if connection is None:
                connection = await call.connect()
            else:
                call.goes_over(connection)
            await call.exchange(connection, wire, request)
    except OSError as error:  # asyncio's TimeoutError and ssl's errors are OSErrors too
        return call.sample(outcomes.of_socket_error(error))
    except PeerHungUpError:
        return call.sample("reset")
    except httptools.HttpParserError:
        return call.sample("error")
    else:
        told = call.sample(will_close=kept is None)
        if kept is not None and connection.is_open():
            kept.give_back(connection, target)
            connection = None
        return told
    finally:
        if connection is not None:
            connection.abort()


class _Call:
    """The phases of one call as they pass."""

    def __init__(self, target: HttpsTarget, started_s: float) -> None:
        self._target = target
        self._started_s = self._entered_s = started_s
        self._phase: Phase | None = None
        self._phases_s: dict[Phase, float] = {}
        self._connection: Connection | None = None
        self._sent_again_before = 0
        self._answer: Answer | None = None
        self.hung_up = False

    def goes_over(self, connection: Connection) -> None:
        """Note that a kept connection is used: what it sent again earlier is no matter of this call."""
        self._connection = connection
        self._sent_again_before = connection.sent_again() or 0

    async def connect(self) -> Connection:
        self._enter("tcp")
        connection = self._connection = await Connection.open(self._target.address, self._target.port)
        if self._target.tls is None:
            return connection
        self._enter("tls")
        try:
            await connection.start_tls(self._target.tls, self._target.server_name)
        except BaseException:  # a cancellation by the deadline too: the socket is ours until we return it
            connection.abort()
            raise
        return connection

    async def exchange(self, connection: Connection, wire: bytes, request: HttpsRequest) -> None:
        self._enter("first_byte")
        answer = self._answer = connection.send(wire, request.keep_body_bytes, request.take_body)
        await answer.first_byte
        self._enter("body")
        await answer.complete
        self._enter(None)

    def _enter(self, phase: Phase | None) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._phase is not None:
            self._phases_s[self._phase] = now_s - self._entered_s
        self._phase, self._entered_s = phase, now_s

    def sample(self, failed: Outcome | None = None, will_close: bool = True) -> HttpsSample:
        failed_in = self._phase if failed else None
        self._enter(None)
        answer = self._answer
        status = answer.status if answer is not None else 0
        sent_again = self._connection.sent_again() if self._connection is not None else None
        return HttpsSample(
            outcome=failed or outcomes.of_http_status(status),
            latency_s=asyncio.get_running_loop().time() - self._started_s,
            http_status=status or None,
            failed_in=failed_in,
            body=bytes(answer.body) if answer is not None else b"",
            phases_s=self._phases_s,
            body_bytes=answer.body_bytes if answer is not None else 0,
            said_close=not will_close and answer is not None and answer.complete.done() and not answer.keep_alive,
            sent_again=None if sent_again is None else sent_again - self._sent_again_before,
            hung_up=self.hung_up,
        )


def load_identity(context: ssl.SSLContext, pem: bytes) -> None:
    """Show this client certificate, with its key, on connections of ``context``.

    It goes through an anonymous file in memory: OpenSSL's loader wants a path, secrets stay off disk.

    Raises:
        ssl.SSLError: They cannot be read, do not belong together, or the key has a password.
    """
    descriptor = os.memfd_create("chaoslib-cp-identity")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")  # without one it would ask on the terminal
    finally:
        os.close(descriptor)
