"""Flow control of one HTTP/2 connection: what may be sent now, and when the server is told to send on."""

import pytest

from chaoslib_cp.engine.load.http2 import Http2Session
from chaoslib_cp.engine.load.http2_flow import FlowControl
from chaoslib_cp.engine.load.http2_frames import DEFAULT_WINDOW, MAX_WINDOW, more_window
from chaoslib_cp.engine.load.http2_stream import Http2Stream


@pytest.fixture
def stream() -> Http2Stream:
    """One request, of a session that is not used."""
    made = Http2Stream(Http2Session.__new__(Http2Session))
    made.number = 3
    return made


def test_a_body_waits_until_it_fits_as_a_whole(stream: Http2Stream) -> None:
    """First for its stream's window, then for that of the connection; a smaller one goes on meanwhile."""
    flow = FlowControl()
    assert flow.allow_each(10) == b""
    assert flow.send(stream, b"large", 11) == b""
    assert flow.send(stream, b"small", 10) == b"small"
    assert flow.allow_each(MAX_WINDOW) == b"large"
    assert flow.send(stream, b"beyond", DEFAULT_WINDOW) == b""
    assert flow.allow(21) == b"beyond"


def test_a_body_that_nobody_wants_any_more_is_not_sent(stream: Http2Stream) -> None:
    """Its stream is closed by then, and the server would call that an error."""
    flow = FlowControl()
    flow.send(stream, b"body", DEFAULT_WINDOW + 1)
    flow.forget(stream)
    assert flow.allow(MAX_WINDOW) == b""


def test_the_server_is_told_to_send_on_before_it_has_to_wait(stream: Http2Stream) -> None:
    """For the connection, and for a stream that is waited for."""
    flow, half = FlowControl(), MAX_WINDOW // 2
    assert flow.received(stream, half) == b""
    assert flow.received(None, 1) == more_window(0, half + 1)
    assert flow.received(stream, 5) == more_window(3, half + 5)
