"""What the checks look at. Each thing is asked for once, by the check that needs it first."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from chaoslib_cp.check.plays import Plays
from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Answer, Body, CallFailed, Cluster
from chaoslib_cp.cluster.door.cluster_dns import find_cluster_dns
from chaoslib_cp.cluster.door.connect import OPEN_LIMIT_S, choose, describe
from chaoslib_cp.cluster.door.connection import Connection
from chaoslib_cp.cluster.door.flow import Flow, flow_of
from chaoslib_cp.cluster.door.prober import ProberPage, configured_pages, read_pages, read_prober
from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH
from chaoslib_cp.errors import ControlPlaneError, TargetRefused, TargetUnreachable
from chaoslib_cp.settings import IDENTITIES, Settings
from chaoslib_cp.waits import waiting_for

CALL_S: Final = 5.0
"""Limit of one call: longer than that, and the gate would not pass either."""

Thing = TypeVar("Thing")


class NotKnown(ControlPlaneError):
    """A check needs something that could not be had, and why has been told already."""


class Once(Generic[Thing]):
    """Something that is looked up when it is needed first. Why it cannot be had is raised once, then ``NotKnown``.

    Args:
        missing: What is said when it was looked for and not found.
        look: Looks it up.
    """

    def __init__(self, missing: str, look: Callable[[], Thing]) -> None:
        self._missing, self._look = missing, look
        self._found: list[Thing] = []
        self._has_failed = False

    def get(self) -> Thing:
        """Return it.

        Raises:
            NotKnown: It could not be had; that was told before.
            ControlPlaneError: It cannot be had; this is why.
        """
        if self._has_failed:
            raise NotKnown(self._missing)
        if not self._found:
            try:
                self._found.append(self._look())
            except ControlPlaneError as error:
                self._has_failed = True
                self._missing = str(error) if isinstance(error, NotKnown) else self._missing
                raise
        return self._found[0]


class LimitedCluster(Cluster):
    """A cluster that is waited for no longer than some seconds, all of its answers together."""

    def __init__(self, connection: Connection, limit_s: float) -> None:
        super().__init__(connection)
        self._left_s = limit_s

    def call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        query: Mapping[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Answer:
        """Make one call, as far as there is time left."""
        if self._left_s <= 0:
            raise CallFailed(
                f"{self.identity} was waited for {OPEN_LIMIT_S:.0f} s in all and is asked nothing more; nothing was "
                "changed by it; see why the API server is slow",
                "timeout",
                is_unknown=False,
            )
        began_s, limit_s = time.monotonic(), min(timeout_s, self._left_s)
        try:
            with waiting_for(f"an answer of {self.server} to {self.identity}", limit_s):
                return super().call(method, path, body, query, limit_s)
        finally:
            self._left_s -= time.monotonic() - began_s


@dataclass(frozen=True)
class Caller:
    """One identity that has been answered.

    Attributes:
        cluster: The cluster as this identity.
        flow: Who the API server takes it for.
    """

    cluster: LimitedCluster
    flow: Flow


class Scene:
    """A cluster and what is to be played in it; use it in a ``with``.

    Args:
        settings: What the run will be told.
        plays: What it will do.
        clock: Source of time.

    Attributes:
        callers: Each identity that has been answered; 20 s are waited for each, opening included.
        uid: UID of kube-system, as the runner reads it.
        prober: The prober's Service and pods.
        pages: Where the pages of the probers are.
        read: What each page says, or why it does not answer.
        page: What the first page that answers says.
        dns: Cluster DNS.
    """

    def __init__(self, settings: Settings, plays: Plays, clock: Clock | None = None) -> None:
        self.settings, self.plays, self.clock = settings, plays, clock or SystemClock()
        self._opened: list[Cluster] = []
        self.callers = {identity: self._caller(identity) for identity in IDENTITIES}
        self.uid = Once("the cluster's UID is not known", self._read_uid)
        self.prober = Once("the prober is not known", lambda: read_prober(self.runner, timeout_s=CALL_S))
        self.pages = Once("the prober's page is not known", self._find_pages)
        self.read = Once("the prober's page is not known", lambda: _read(self.pages.get()))
        self.page = Once("the prober's page does not answer", lambda: _first_page(self.read.get()))
        self.dns = Once("cluster DNS is not known", lambda: find_cluster_dns(self.runner, CALL_S, self._nameservers))

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        for cluster in self._opened:
            cluster.close()

    @property
    def runner(self) -> LimitedCluster:
        """The cluster as the runner.

        Raises:
            ControlPlaneError: It cannot be asked.
        """
        return self.callers["runner"].get().cluster

    def has_context(self, identity: str) -> bool:
        """Whether the kubeconfig has one for this identity."""
        with suppress(TargetRefused):
            return bool(choose(self.settings, identity))
        return False

    def _caller(self, identity: str) -> Once[Caller]:
        return Once(f"{identity} cannot be asked", lambda: self._open(identity))

    def _open(self, identity: str) -> Caller:
        began_s = time.monotonic()
        with waiting_for(f"the way to the cluster as {identity}", OPEN_LIMIT_S):
            connection = describe(self.settings, identity)
        cluster = LimitedCluster(connection, OPEN_LIMIT_S - (time.monotonic() - began_s))
        self._opened.append(cluster)
        return Caller(cluster, flow_of(cluster, timeout_s=CALL_S))

    def _read_uid(self) -> str:
        namespace = self.runner.get(CLUSTER_UID_PATH, timeout_s=CALL_S) or {}
        uid = str((namespace.get("metadata") or {}).get("uid") or "")
        if not uid:
            raise TargetRefused("namespace kube-system shows no UID; nothing was changed; let the runner read it")
        return uid

    def _find_pages(self) -> tuple[str, ...]:
        return configured_pages(self.settings) or self.prober.get().facts.pages

    def _nameservers(self) -> tuple[str, ...]:
        with suppress(ControlPlaneError):
            return self.page.get().nameservers
        return ()


def _read(pages: tuple[str, ...]) -> dict[str, ProberPage | TargetUnreachable]:
    with waiting_for(f"the prober's page at {', '.join(pages)}", None):
        return read_pages(pages)


def _first_page(read: Mapping[str, ProberPage | TargetUnreachable]) -> ProberPage:
    for told in read.values():
        if isinstance(told, ProberPage):
            return told
    raise TargetUnreachable(", ".join(f"{page}: {error}" for page, error in read.items()))
