"""Who one identity is towards the server: a token or a certificate, renewed while it is used, as kubectl's client does.

A file is read again every minute and a plugin is run again before what it gave expires, both with a limit. What was
read last stays in use as long as nothing newer can be had.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.door.within import within
from chaoslib_cp.errors import ControlPlaneError

READ_AGAIN_S: Final = 60.0
"""Source: kubernetes/client-go, transport/token_source.go: a token file is read again after a minute."""
NEVER: Final = float("inf")
_TRY_AGAIN_S: Final = 5.0
_EARLIEST_S: Final = 30.0  # before its end, and never before the last third of its life
_LIMIT_S: Final = 16.0  # a second more than a plugin's own


@dataclass(frozen=True)
class Credentials:
    """What a request is made with; never printed, never written.

    Attributes:
        authorization: Value of the header of that name; empty with a certificate only.
        client_cert_pem: Client certificate; empty without one.
        client_key_pem: Its key.
        good_until_epoch_s: When they should be read or asked for again at the latest.
        expires: They are worth nothing from then on; False where only a file is to be read again.
    """

    authorization: str = field(default="", repr=False)
    client_cert_pem: bytes = field(default=b"", repr=False)
    client_key_pem: bytes = field(default=b"", repr=False)
    good_until_epoch_s: float = NEVER
    expires: bool = False


class Login:
    """One identity's credentials. Safe to use from several threads.

    Args:
        read: Reads or asks for credentials; may wait. True asks for new ones, whatever is remembered.
        clock: Source of time.

    Raises:
        ControlPlaneError: What ``read`` raised.
    """

    def __init__(self, read: Callable[[bool], Credentials], clock: Clock | None = None) -> None:
        self._read = read
        self._clock = clock or SystemClock()
        self._renewing = threading.Lock()
        self.trouble = ""
        self._now, self._taken_epoch_s, self._due_epoch_s = Credentials(), 0.0, 0.0
        self._take(read(False))

    def credentials(self) -> Credentials:
        """What was read last, without a wait."""
        return self._now

    def due_in_s(self) -> float:
        """Seconds until it is time to renew; 0 when it is time."""
        return max(0.0, self._due_epoch_s - self._clock.epoch_s())

    def distrust(self) -> None:
        """Renew at the next chance: the server has said that it does not know us (401)."""
        if self._now.expires:
            self._due_epoch_s = min(self._due_epoch_s, self._taken_epoch_s + _TRY_AGAIN_S)

    def renew_if_due(self, limit_s: float = _LIMIT_S) -> bool:
        """Read or ask again if it is time; say whether there is something new.

        When it fails, ``trouble`` says why, what there was stays in use, and it is tried again soon.

        Args:
            limit_s: Seconds to wait at most.
        """
        if self.due_in_s() > 0 or not self._renewing.acquire(blocking=False):
            return False
        before = self._now
        try:
            self._take(within(min(limit_s, _LIMIT_S), "reading credentials", lambda: self._read(True)))
            self.trouble = ""
        except ControlPlaneError as error:
            self.trouble = str(error)
            self._due_epoch_s = self._clock.epoch_s() + _TRY_AGAIN_S
        finally:
            self._renewing.release()
        return _what_is_sent(before) != _what_is_sent(self._now)

    def _take(self, credentials: Credentials) -> None:
        now_s = self._clock.epoch_s()
        self._now, self._taken_epoch_s = credentials, now_s
        left_s = credentials.good_until_epoch_s - now_s
        early_s = min(_EARLIEST_S, max(0.0, left_s) / 3) if credentials.expires else 0.0
        self._due_epoch_s = max(credentials.good_until_epoch_s - early_s, now_s + 1.0)


def _what_is_sent(credentials: Credentials) -> tuple[str, bytes, bytes]:
    return credentials.authorization, credentials.client_cert_pem, credentials.client_key_pem
