"""How a kubelet and client-go wait between attempts. Pure: the random numbers and the time come from outside."""

import random

# kubernetes/kubernetes: pkg/util/goroutinemap/exponentialbackoff (a kubelet mounting a volume)
_MOUNT_FIRST_S = 0.5
_MOUNT_LONGEST_S = 122.0
# kubernetes/client-go: tools/cache/reflector.go
_LIST_FIRST_S = 0.8
_LIST_LONGEST_S = 30.0
_LIST_RESET_AFTER_S = 120.0


class MountBackoff:
    """Between two attempts to set up a volume: 0.5 s, doubling up to 2 min 2 s."""

    def __init__(self) -> None:
        self._next_s = _MOUNT_FIRST_S

    def next_s(self) -> float:
        """Return how long to wait after one more failure, in seconds."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, _MOUNT_LONGEST_S)
        return wait_s


class ListBackoff:
    """Between two lists or watches of a reflector: 0.8 s, doubling up to 30 s, plus up to as much again at random.

    Two minutes without a failure begin anew.
    """

    def __init__(self, draws: random.Random) -> None:
        self._draws = draws
        self._next_s = _LIST_FIRST_S
        self._last_at_s = 0.0

    def next_s(self, now_s: float) -> float:
        """Return how long to wait after one more failure at ``now_s`` (monotonic seconds)."""
        if now_s - self._last_at_s > _LIST_RESET_AFTER_S:
            self._next_s = _LIST_FIRST_S
        self._last_at_s = now_s
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, _LIST_LONGEST_S)
        return wait_s * (1 + self._draws.random())
