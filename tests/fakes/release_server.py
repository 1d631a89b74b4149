"""A web server on the loopback that stands for the places official releases are published at."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from chaoslib_cp.testbed.programs.pins import Release


class ReleaseServer(ThreadingHTTPServer):
    """Serves files from memory and remembers what was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut_short = False

    def release(self, name: str, content: bytes, member: str = "", algorithm: str = "sha256") -> Release:
        """Publish a program, as it is or inside a tar archive, and return its pin."""
        body = _archive(member, content) if member else content
        self.files[f"/{name}"] = body
        checksum = hashlib.new(algorithm, body).hexdigest()
        return Release(f"http://127.0.0.1:{self.server_port}/{name}", checksum, member)


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
        self.wfile.write(body[: len(body) // 2] if self.server.cut_short else body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server calls it by
        """Say nothing."""


def _archive(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(member)
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
            server.shutdown()
            thread.join()
