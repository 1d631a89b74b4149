"""A web server on the loopback that stands for the places official releases are published at."""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from chaoslib_cp.testbed.programs.pins import Release

PAUSE_S = 0.02


class ReleaseServer(ThreadingHTTPServer):
    """Serves files from memory and remembers what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut_short: set[str] = set()
        self.slow: set[str] = set()
        """Paths that are sent in a hundred pieces with a pause after each."""
        self.closing = Event()

    @property
    def address(self) -> str:
        """What stands before the path of a file."""
        return f"http://127.0.0.1:{self.server_port}"

    def release(self, name: str, content: bytes = b"", algorithm: str = "sha256") -> Release:
        """Publish a download that is the program, and return its pin."""
        return self._publish(name, content or program(name), {name: ""}, algorithm)

    def archive(self, file: str, contents: Mapping[str, bytes], algorithm: str = "sha256") -> Release:
        """Publish several programs in one tar archive, below ``bin/`` and among other things, and return its pin."""
        return self._publish(file, _archive(contents), {name: f"bin/{name}" for name in contents}, algorithm)

    def _publish(self, file: str, body: bytes, members: dict[str, str], algorithm: str) -> Release:
        self.files[f"/v1/{file}"] = body
        return Release(f"{self.address}/v1/{file}", hashlib.new(algorithm, body).hexdigest(), members)


class _Handler(BaseHTTPRequestHandler):
    server: ReleaseServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path in self.server.cut_short:
            body = body[: len(body) // 2]
        is_slow = self.path in self.server.slow
        size = len(body) // 100 + 1 if is_slow else len(body)
        with suppress(OSError):  # who asked may leave
            for start in range(0, len(body), size):
                self.wfile.write(body[start : start + size])
                self.server.closing.wait(PAUSE_S if is_slow else 0)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server calls it by
        """Say nothing."""


def program(name: str) -> bytes:
    """Return a program that starts and does nothing."""
    return f"#!/bin/sh\n# released {name}\n".encode()


def programs(*names: str) -> dict[str, bytes]:
    """Return the contents of an archive of such programs."""
    return {name: program(name) for name in names}


def _archive(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entries = {"README": b"not wanted", **{f"bin/{name}": content for name, content in contents.items()}}
        for path, content in entries.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def release_server() -> Iterator[ReleaseServer]:
    """Run the server until the end of the block."""
    with ReleaseServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
