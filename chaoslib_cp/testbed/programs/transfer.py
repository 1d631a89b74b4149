"""One download from one address into one file, with its pace said and a limit on its patience."""

import http.client
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs.progress import Progress, clock_time

_CHUNK_BYTES = 1 << 18


class HostSilent(TestbedFailed):
    """Nobody answers at this host: what else it has need not be asked for."""


@dataclass(frozen=True)
class Patience:
    """How slow a server may be.

    Attributes:
        silence_s: Seconds for connecting, and between two pieces: a dead network is noticed quickly.
        trial_s: Seconds after which a download's pace is known.
        whole_s: Seconds that a whole download may take at that pace. A build needs about as much from the network as
            the archive, so a slow line is no reason to change over to building; a stuck mirror is.
    """

    silence_s: float = 15.0
    trial_s: float = 30.0
    whole_s: float = 1800.0


PATIENCE = Patience()


def transfer(url: str, target: Path, progress: Progress) -> None:
    """Download a file, saying every few seconds how much of it is there.

    Args:
        url: Where it is.
        target: File to write; its content is not checked here.
        progress: Told the pace.

    Raises:
        HostSilent: There is no such host, or it did not answer.
        TestbedFailed: It was refused, broke off, or would take too long. ``target`` may hold a part.
        OSError: ``target`` cannot be written.
    """
    pace = _Pace(url, progress)
    with progress.meanwhile(pace.words), _opened(url) as answer, target.open("wb") as file:
        pace.begin(answer.headers.get("Content-Length"))
        while not pace.is_whole() and (chunk := _read(answer, pace)):
            file.write(chunk)
            pace.add(len(chunk))
        if pace.total_bytes is not None and not pace.is_whole():
            raise TestbedFailed(f"{url}: transfer broke off after {pace.amount()}")


@dataclass
class _Pace:
    """What has come of a download so far."""

    url: str
    progress: Progress
    total_bytes: int | None = None
    got_bytes: int = 0
    began_s: float | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.url.rpartition("/")[2]

    def begin(self, length: str | None) -> None:
        self.total_bytes = int(length) if length and length.isdigit() else None
        self.began_s = self.progress.clock.monotonic_s()

    def words(self) -> str:
        if self.began_s is None:
            return f"{self.name}: waiting for {self.url} to answer"
        taken_s = self.progress.clock.monotonic_s() - self.began_s
        rate = f"{self.got_bytes / max(taken_s, 0.001) / 1e6:.1f} MB/s"
        left = f", about {clock_time(self._whole_s(taken_s) - taken_s)} left" if self.got_bytes else ""
        return f"{self.name}: {self.amount()}, {rate}{left if self.total_bytes else ''}"

    def amount(self) -> str:
        total = f" of {self.total_bytes / 1e6:.1f}" if self.total_bytes else ""
        return f"{self.got_bytes / 1e6:.1f}{total} MB"

    def add(self, count: int) -> None:
        """Count a piece, and give up a download that would take for ever."""
        self.got_bytes += count
        taken_s = self.progress.clock.monotonic_s() - (self.began_s or 0.0)
        if taken_s > PATIENCE.trial_s and self._whole_s(taken_s) > PATIENCE.whole_s:
            raise TestbedFailed(f"{self.url}: too slow, {self.amount()} in {taken_s:.0f} s; given up")

    def is_whole(self) -> bool:
        return self.total_bytes is not None and self.got_bytes >= self.total_bytes

    def _whole_s(self, taken_s: float) -> float:
        """Foretell how long the whole download takes; at least what it took so far."""
        return taken_s * max(1.0, (self.total_bytes or 0) / max(self.got_bytes, 1))


def _opened(url: str) -> http.client.HTTPResponse:
    try:
        # The address is a constant of pins.py or one that the user named, and what comes back is checked.
        return urllib.request.urlopen(url, timeout=PATIENCE.silence_s)  # type: ignore[no-any-return] # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        raise TestbedFailed(f"{url}: {error}") from error
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        raise HostSilent(f"{url}: {_cause(error)}") from error


def _read(answer: http.client.HTTPResponse, pace: _Pace) -> bytes:
    """Read what is there; a failure of the network is kept apart from one of the disk."""
    try:
        return answer.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise TestbedFailed(f"{pace.url}: transfer broke off after {pace.amount()}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """Name the cause that URLError wraps."""
    return str(getattr(error, "reason", "") or error) or type(error).__name__
