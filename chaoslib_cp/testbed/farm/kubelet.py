"""What a node does before a container can start: mount the profile and the token. Asked for as that node."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from chaoslib_cp.cluster.door.labels import FAULT_LABEL, RUN_LABEL
from chaoslib_cp.engine.load.profile import LoadProfile, parse_profile
from chaoslib_cp.engine.load.retry import MAX_RETRIES
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.testbed.api import Manifest
from chaoslib_cp.testbed.async_api import ApiAnswer, ApiSession, NoAnswerError
from chaoslib_cp.testbed.farm.access import impersonation
from chaoslib_cp.testbed.farm.backoff import MountBackoff

PROFILE_VOLUME = "profile"
PROFILE_KEY = "profile.json"
# kubernetes/kubernetes: pkg/kubelet/token/token_manager.go: renewed at 80 % of its life, 10 s jitter
_RENEW_AT = 0.8
_RENEW_JITTER_S = 10.0
# a kubelet looks at each pod's volumes again every 60 to 90 s, and then renews a token that is due
_RENEW_RETRY_S = 75.0
# the API's own default (TokenRequest, expirationSeconds)
_DEFAULT_TOKEN_LASTS_S = 3600

_RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600))

_T = TypeVar("_T")

# namespace, ConfigMap of the profile, run and fault: pods that agree in them belong to one rollout
RolloutKey = tuple[str, str, str, str]


@dataclass(frozen=True)
class Token:
    """A ServiceAccount token and when to renew it, in seconds from when it came."""

    text: str
    renew_after_s: float

    def __repr__(self) -> str:
        """Never show the token."""
        return f"Token(renew_after_s={self.renew_after_s})"


@dataclass(frozen=True)
class TelemetryPod:
    """What the farm needs to know of a pod."""

    key: str
    namespace: str
    name: str
    uid: str
    node: str
    account: str
    is_running: bool
    image: str
    profile_config_map: str
    token_lasts_s: int
    rollout: RolloutKey

    @classmethod
    def of(cls, key: str, item: Manifest) -> "TelemetryPod":
        """Read a Pod object."""
        metadata, spec = item["metadata"], item["spec"]
        phase = item.get("status", {}).get("phase")
        volumes, labels = spec.get("volumes", []), metadata.get("labels", {})
        config_map = _profile_config_map(volumes)
        return cls(
            key=key,
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            node=spec.get("nodeName", ""),
            account=spec.get("serviceAccountName", "default"),
            # a kubelet stops the containers as soon as it sees the deletion
            is_running=phase == "Running" and "deletionTimestamp" not in metadata,
            image=spec["containers"][0]["image"],
            profile_config_map=config_map,
            token_lasts_s=_token_lasts_s(volumes),
            rollout=(metadata["namespace"], config_map, labels.get(RUN_LABEL, ""), labels.get(FAULT_LABEL, "")),
        )


class Sessions:
    """Connections for calls as a node: as many as there are calls at once, kept for the next.

    A kubelet has its connection open all the time; a new one for each call would charge the API server with
    handshakes that no kubelet makes.
    """

    def __init__(self, make: Callable[[], ApiSession]) -> None:
        self._make = make
        self._idle: list[ApiSession] = []

    async def call_as(self, node: str, method: str, path: str, body: Manifest | None = None) -> ApiAnswer:
        """Make a call as a node, with client-go's retries inside: up to 10, on 429 and 5xx with Retry-After.

        Raises:
            NoAnswerError: no complete answer came.
        """
        session = self._idle.pop() if self._idle else self._make()
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = await session.request(method, path, data, impersonation(node))
            for _ in range(MAX_RETRIES):
                if answer.retry_after_s is None or answer.status not in _RETRIED:
                    break
                await asyncio.sleep(answer.retry_after_s)
                answer = await session.request(method, path, data, impersonation(node))
        finally:
            self._idle.append(session)
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        for session in self._idle:
            session.close()
        self._idle.clear()


class Mounts:
    """The two volumes of one pod. ``reason`` says what is still missing."""

    def __init__(self, pod: TelemetryPod, sessions: Sessions, draws: random.Random) -> None:
        self.tries = 0
        self._pod = pod
        self._sessions = sessions
        self._draws = draws
        self._missing = {"profile": "unanswered", "token": "unanswered"}

    @property
    def reason(self) -> str:
        """Why the container cannot start yet."""
        return "; ".join(f"{volume}: {reason}" for volume, reason in sorted(self._missing.items()))

    @property
    def reason_word(self) -> str:
        """The first of the reasons as one word, for example ``token-403``; empty when nothing is missing."""
        return next((f"{volume}-{_first_word(reason)}" for volume, reason in sorted(self._missing.items())), "")

    async def profile(self) -> LoadProfile:
        """Return the profile, however long it takes to get a good one."""
        pod = self._pod
        path = f"/api/v1/namespaces/{pod.namespace}/configmaps/{pod.profile_config_map}"
        return await self._mount("profile", "GET", path, None, _read_profile)

    async def token(self) -> Token:
        """Return a token, however long it takes to get one."""
        return await self._mount("token", "POST", self._token_path(), self._token_request(), self._read_token)

    async def renewed_token(self, token: Token) -> Token:
        """Wait until a token is due, and return a new one; the old one stays in use as long as that takes."""
        await asyncio.sleep(token.renew_after_s)
        while True:
            try:
                answer = await self._sessions.call_as(self._pod.node, "POST", self._token_path(), self._token_request())
                if answer.status == HTTPStatus.CREATED:
                    return self._read_token(answer)
            except (NoAnswerError, KeyError, ValueError):
                pass  # the next look at the volumes tries again
            await asyncio.sleep(_RENEW_RETRY_S)

    async def _mount(
        self, volume: str, method: str, path: str, body: Manifest | None, read: Callable[[ApiAnswer], _T]
    ) -> _T:
        backoff = MountBackoff()
        while True:
            self.tries += 1
            try:
                answer = await self._sessions.call_as(self._pod.node, method, path, body)
                if answer.status in (HTTPStatus.OK, HTTPStatus.CREATED):
                    value = read(answer)
                    self._missing.pop(volume)
                    return value
                self._missing[volume] = f"{answer.status} {answer.words()}"
            except NoAnswerError as error:
                self._missing[volume] = error.outcome
            except (KeyError, ValueError, ProfileInvalid) as error:
                self._missing[volume] = f"unreadable: {error!r}"
            await asyncio.sleep(backoff.next_s())

    def _token_path(self) -> str:
        return f"/api/v1/namespaces/{self._pod.namespace}/serviceaccounts/{self._pod.account}/token"

    def _token_request(self) -> Manifest:
        pod = self._pod
        bound_to = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        return {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": pod.token_lasts_s, "boundObjectRef": bound_to},
        }

    def _read_token(self, answer: ApiAnswer) -> Token:
        lasts_s = self._pod.token_lasts_s * _RENEW_AT - self._draws.random() * _RENEW_JITTER_S
        return Token(answer.json()["status"]["token"], max(lasts_s, 0.0))


def _first_word(reason: str) -> str:
    return reason.split()[0].rstrip(":")


def _read_profile(answer: ApiAnswer) -> LoadProfile:
    return parse_profile(json.loads(answer.json()["data"][PROFILE_KEY]))


def _profile_config_map(volumes: list[Manifest]) -> str:
    named = [volume for volume in volumes if volume.get("name") == PROFILE_VOLUME]
    return str(named[0].get("configMap", {}).get("name", "")) if named else ""


def _token_lasts_s(volumes: list[Manifest]) -> int:
    """Return the life asked for by the volume that admission adds to every pod that wants a token."""
    sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [])]
    tokens = [source["serviceAccountToken"] for source in sources if "serviceAccountToken" in source]
    return int(tokens[0].get("expirationSeconds", _DEFAULT_TOKEN_LASTS_S)) if tokens else _DEFAULT_TOKEN_LASTS_S
