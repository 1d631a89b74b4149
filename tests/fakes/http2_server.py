"""An HTTP/2 server on loopback, made with the library h2: another reading of the standard than the engine's own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """One request: on which connection (from 0) and stream, and what it says."""

    connection: int
    stream: int
    headers: dict[str, str]


@dataclass
class Talk:
    """One connection of the server; a script answers over it."""

    number: int
    h2: H2Connection
    writer: asyncio.StreamWriter

    def answer(self, stream: int, body: bytes = b"{}", status: int = 200, headers: Headers | None = None) -> None:
        """Answer in frames of 4 kB, as an API server does."""
        self.begin(stream, status, headers)
        self.say(stream, body, ends=True)

    def begin(self, stream: int, status: int = 200, headers: Headers | None = None) -> None:
        """Send a head."""
        self.h2.send_headers(stream, [(":status", str(status)), *(headers or [("content-type", "application/json")])])
        self.flush()

    def say(self, stream: int, body: bytes, ends: bool = False) -> None:
        """Send a piece of a body."""
        for at in range(0, len(body), 4000):
            self.h2.send_data(stream, body[at : at + 4000])
            self.flush()
        if ends:
            self.h2.end_stream(stream)
            self.flush()

    def leave(self, last_stream: int) -> None:
        """Ask the client to go elsewhere."""
        self.h2.close_connection(last_stream_id=last_stream)
        self.flush()

    def flush(self) -> None:
        """Write what h2 has ready."""
        self.writer.write(self.h2.data_to_send())


Script = Callable[[Talk, Asked], None]


@dataclass
class Http2Server:
    """What came, and how it is answered.

    Attributes:
        script: called for each request whose body is there.
        settings: what the server says first.
        asked: all requests.
        bodies: of those that had one, by connection and stream.
        taken_back: streams that the client reset, with the code.
        talks: the connections.
    """

    script: Script
    settings: dict[int, int] = field(default_factory=dict)
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    bodies: dict[tuple[int, int], bytes] = field(default_factory=dict)
    taken_back: list[tuple[int, int]] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None) -> AsyncIterator["Http2Server"]:
        """Serve until the end of the block."""
        if tls is not None:
            tls.set_alpn_protocols(["h2", "http/1.1"])
        tasks: set[asyncio.Task[None]] = set()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with suppress(OSError, ProtocolError, asyncio.CancelledError):
                await self._talk(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks)
            await asyncio.sleep(0)  # what was aborted is closed in the next round of the loop

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        if self.settings:
            h2.update_settings(self.settings)
        talk = Talk(len(self.talks), h2, writer)
        self.talks.append(talk)
        talk.flush()
        heads: dict[int, dict[str, str]] = {}
        while data := await reader.read(65536):
            for event in h2.receive_data(data):
                self._hear(talk, event, heads)
            talk.flush()

    def _hear(self, talk: Talk, event: Event, heads: dict[int, dict[str, str]]) -> None:
        if isinstance(event, RequestReceived):
            heads[event.stream_id] = {name.decode(): value.decode() for name, value in event.headers}
        elif isinstance(event, DataReceived):
            key = (talk.number, event.stream_id)
            self.bodies[key] = self.bodies.get(key, b"") + event.data
            talk.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamReset):
            self.taken_back.append((event.stream_id, int(event.error_code)))
        elif isinstance(event, StreamEnded):
            one = Asked(talk.number, event.stream_id, heads[event.stream_id])
            self.asked.append(one)
            self.script(talk, one)
