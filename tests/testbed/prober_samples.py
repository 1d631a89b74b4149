"""The samples of the workload prober of a testbed's first node, read from its page while a block lasts."""

import json
import threading
from types import TracebackType
from typing import Any

from tests.testbed.conftest import Testbed

Sample = dict[str, Any]
_EVERY_S = 8.0  # the page holds the last minute and more


class ProberSamples:
    """Reads the page now and then, so that nothing of it is lost; what was there before is left out."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        selector = "chaoslib-cp/role=prober"
        pods = testbed.get("pods", "--namespace", "chaoslib-cp", "--selector", selector)["items"]
        pod = min(pods, key=lambda one: str(one["spec"]["nodeName"]))
        self._page = f"http://{pod['status']['podIP']}:8080/?after="
        self._seq = 0
        self._samples: list[Sample] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._keep_reading, daemon=True)

    def __enter__(self) -> "ProberSamples":
        self.read()
        self._samples.clear()
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._over.set()
        self._reader.join()
        self.read()

    def read(self) -> None:
        """Take what is new on the page."""
        with self._lock:
            ended = self._testbed.run("curl", "--silent", "--show-error", "--max-time", "5", f"{self._page}{self._seq}")
            assert ended.returncode == 0, ended.stderr
            found = json.loads(ended.stdout)["samples"]
            self._samples += found
            self._seq = found[-1]["seq"] if found else self._seq

    def of(self, *vantages: str) -> list[Sample]:
        """The samples of some vantage points, in the order of time."""
        return sorted((one for one in self._samples if one["vantage"] in vantages), key=lambda one: float(one["at_s"]))

    def by_target(self, vantage: str, name: str) -> dict[str, list[Sample]]:
        """The samples about a name, by whom was asked; void ones are left out."""
        found: dict[str, list[Sample]] = {}
        for one in self.of(vantage):
            if one["target"].partition(" ")[0] == name and not one.get("void"):
                found.setdefault(one["target"], []).append(one)
        assert found, f"nothing was watched about {name} at {vantage}"
        return found

    def _keep_reading(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.read()
