"""A small real HTTP(S) server on loopback that stands in for an API server: it answers as its script says.

    with FakeApiServer(tls) as server:
        server.on("GET", "/version", Answer(body=b"{}"))
        server.on("GET", "/api/v1/pods", Answer(429, {"Retry-After": "1"}), Answer(body=b"{}"))   # then the last again
        server.on("GET", "/slow", Answer(delay_s=0.2))
        server.on("GET", "/hangs", HANG)
        server.on("POST", "/api/v1/namespaces", lambda request: Answer(201, body=request.body))
        stream = server.watch("/api/v1/pods")      # GET with watch=1 or watch=true on this path
        stream.send({"type": "ADDED", ...}); stream.close()

Scripts are matched by method and longest path prefix; everything else is answered with 404. Every request is recorded.
"""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it arrived; ``connection`` counts the connections accepted so far."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int
    peer_name: str | None

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to send: wait, status line, headers, body; then keep the connection or not.

    Attributes:
        delay_s: wait before the status line.
        hangs: never answer; the connection stays open.
        resets: close the connection with no answer.
        is_chunked: send the body in chunks instead of with a length.
        closes: close after the answer, without a length: the body ends with the connection.
        raw: these bytes instead of any answer.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    delay_s: float = 0.0
    hangs: bool = False
    resets: bool = False
    is_chunked: bool = False
    closes: bool = False
    raw: bytes = b""


HANG = Answer(hangs=True)
RESET = Answer(resets=True)
Script = Answer | Callable[[Request], Answer]


def json_answer(document: Any, status: int = 200) -> Answer:
    """Return an answer with a JSON body."""
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


class WatchStream:
    """The events of a watch: what was sent before a client came is kept for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: list[asyncio.Queue[bytes | None]] = []
        self._waiting: list[bytes | None] = []

    def send(self, event: dict[str, Any]) -> None:
        """Send one event to every watcher."""
        self._loop.call_soon_threadsafe(self._put, json.dumps(event).encode() + b"\n")

    def close(self) -> None:
        """End the stream as a server does when a watch times out."""
        self._loop.call_soon_threadsafe(self._put, None)

    def _put(self, item: bytes | None) -> None:
        if not self._queues:
            self._waiting.append(item)
        for queue in self._queues:
            queue.put_nowait(item)

    def open(self) -> "asyncio.Queue[bytes | None]":
        """Return a queue with what is waiting (called in the server's thread)."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for item in self._waiting:
            queue.put_nowait(item)
        self._waiting.clear()
        self._queues.append(queue)
        return queue

    def forget(self, queue: "asyncio.Queue[bytes | None]") -> None:
        """Drop a watcher that is gone."""
        self._queues.remove(queue)


class FakeApiServer:
    """The server, in a thread of its own while the ``with`` block lasts."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._watches: dict[str, WatchStream] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._arriving: dict[asyncio.Task[None], socket.socket] = {}
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> "FakeApiServer":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def on(self, method: str, prefix: str, *scripts: Script) -> None:
        """Answer with each of ``scripts`` once, then with the last one for ever; replaces an earlier script."""
        self._scripts[method, prefix] = list(scripts)

    def watch(self, path: str) -> WatchStream:
        """Serve a watch at ``path``."""
        stream = self._watches[path] = WatchStream(self._loop)
        return stream

    def drop_connections(self) -> None:
        """Reset every open connection, as a server that is killed does."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def _abort_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._loop.add_reader(self._listener, self._take)

    def _take(self) -> None:
        """Take one connection. Not by asyncio's server: a close while it takes one leaves that one open for good."""
        with suppress(BlockingIOError, ConnectionAbortedError):  # a client that is gone already
            taken = self._listener.accept()[0]
            taken.setblocking(False)
            task = self._loop.create_task(self._greet(taken))
            self._arriving[task] = taken
            task.add_done_callback(self._arriving.pop)

    async def _greet(self, taken: socket.socket) -> None:
        """Shake hands over a connection, then talk over it in a task of its own."""
        streams = asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._accept)
        with suppress(OSError):  # the client left, or did not like our certificate
            await self._loop.connect_accepted_socket(lambda: streams, taken, ssl=self._tls)

    async def _close(self) -> None:
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for taken in self._arriving.values():
            with suppress(OSError):  # closed by its client
                taken.shutdown(socket.SHUT_RDWR)
        # These end by themselves now: asyncio leaves a connection open whose handshake is cancelled before it begins.
        await asyncio.gather(*self._arriving)
        self._abort_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted last is closed in the next round of the loop

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            number = self.connections
            while (request := await self._read(reader, writer, number)) is not None:
                self.requests.append(request)
                if not await self._serve(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> Request | None:
        line = await reader.readline()
        if not line:
            return None
        method, target, _ = line.decode().split(" ")
        headers: dict[str, str] = {}
        while header := (await reader.readline()).decode("latin-1").strip():
            name, _, value = header.partition(":")
            before = headers.get(name.lower())  # a name that comes twice is one list (RFC 9110, 5.3)
            headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        peer = writer.get_extra_info("peercert") or {}
        names = [value for group in peer.get("subject", ()) for key, value in group if key == "commonName"]
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(method, unquote(parts.path), query, headers, body, number, names[0] if names else None)

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.query.get("watch") in ("1", "true") and request.path in self._watches:
            return await self._stream(self._watches[request.path], writer)
        answer = self._answer_to(request)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.hangs:
            await asyncio.Event().wait()
        if answer.resets:
            return False
        if request.method == "HEAD":  # the answer to GET without its body (RFC 9110, 9.3.2)
            writer.write(_head(answer, [f"Content-Length: {len(answer.body)}"]))
        else:
            writer.write(answer.raw or _encode(answer))
        await writer.drain()
        return not answer.closes

    def _answer_to(self, request: Request) -> Answer:
        matching = [key for key in self._scripts if key[0] == request.method and request.path.startswith(key[1])]
        if not matching:
            return Answer(404)
        scripts = self._scripts[max(matching, key=lambda key: len(key[1]))]
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        return script if isinstance(script, Answer) else script(request)

    async def _stream(self, stream: WatchStream, writer: asyncio.StreamWriter) -> bool:
        writer.write(_head(Answer(), ["Transfer-Encoding: chunked"]))
        queue = stream.open()
        try:
            while (item := await queue.get()) is not None:
                writer.write(b"%x\r\n%s\r\n" % (len(item), item))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        finally:
            stream.forget(queue)
        return True


def _head(answer: Answer, more: list[str]) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in answer.headers.items())]
    return ("\r\n".join([*lines, *more]) + "\r\n\r\n").encode()


def _encode(answer: Answer) -> bytes:
    if answer.closes:
        return _head(answer, []) + answer.body
    if answer.is_chunked:
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer.body), answer.body)
        return _head(answer, ["Transfer-Encoding: chunked"]) + chunk
    return _head(answer, [f"Content-Length: {len(answer.body)}"]) + answer.body
