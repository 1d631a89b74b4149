"""A user's credentials from a plugin, as kubectl gets them, and within a limit.

Source: Kubernetes documentation, "client-go credential plugins"; kubernetes/client-go, plugin/pkg/client/auth/exec.
"""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from chaoslib_cp.inheritance import Kind, handed_to

PLUGIN_LIMIT_S: Final = 15.0
"""Those of the big clouds need one to three seconds; one that waits for a browser never ends."""
HUNG_S: Final = 60.0
"""A plugin that hung is left alone for so long: every log and identity that needs it would wait for it again."""
_WORTH_KEEPING_S: Final = 60.0
_GIVEN: "dict[str, Given]" = {}  # by what the plugin is; in memory only
_HUNG: dict[str, float] = {}
_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_CONFIG_EXTENSION: Final = "client.authentication.k8s.io/exec"
_MODES: Final = ("Never", "IfAvailable", "Always")


@dataclass(frozen=True)
class Given:
    """What a plugin gave.

    Attributes:
        token: Empty when it gave a certificate only.
        client_cert_pem: Client certificate; empty when it gave a token only.
        client_key_pem: Its key.
        expires_epoch_s: When it expires; None when the plugin did not say.
    """

    token: str = field(repr=False)
    client_cert_pem: bytes = field(repr=False)
    client_key_pem: bytes = field(repr=False)
    expires_epoch_s: float | None


@dataclass(frozen=True)
class Plugin:
    """A command that gives credentials.

    Attributes:
        place: Which context of which kubeconfig names it.
        argv: The command and its arguments.
        environment: Variables beside those that are set here.
        version: apiVersion of what it is told and what it answers.
        cluster: What it is told of the cluster; None when it does not want that.
        hint: What to say when there is no such command.
    """

    place: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    version: str
    cluster: Mapping[str, Any] | None
    hint: str

    def run(self, limit_s: float = PLUGIN_LIMIT_S) -> Given:
        """Run it and return what it gave. It has no terminal and no standard input.

        Raises:
            TargetUnreachable: It did not end in time; it and what it started were killed.
            TargetRefused: There is no such command, it failed, or its answer is none. Its words are not repeated: they
                may hold a secret.
        """
        spec = {"interactive": False} | ({} if self.cluster is None else {"cluster": dict(self.cluster)})
        told = {"apiVersion": self.version, "kind": "ExecCredential", "spec": spec}
        variables = {**self.environment, "KUBERNETES_EXEC_INFO": json.dumps(told)}
        try:
            process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                **handed_to(Kind.THEIRS, variables),
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it cannot be written as a command"
            raise self._refused(f"cannot be started ({reason})") from None
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            _kill_all_of(process)
            raise TargetUnreachable(
                f"{self.place}: its plugin {self.argv[0]} did not end within {limit_s:.0f} s and was killed; nothing "
                "was changed; log in with it first, so that it need not ask"
            ) from None
        if process.returncode != 0:
            raise self._refused(f"ended with status {process.returncode}")
        return self._read(said)

    def _read(self, said: bytes) -> Given:
        try:
            answer = json.loads(said)
            version, kind, status = answer["apiVersion"], answer["kind"], answer["status"]
            token, cert, key = (status.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData"))
            expires = status.get("expirationTimestamp")
            expires_s = datetime.fromisoformat(expires).timestamp() if expires else None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._refused("gave no ExecCredential with a status") from None
        if (version, kind) != (self.version, "ExecCredential"):
            raise self._refused(f"gave no ExecCredential of {self.version}")
        if not all(isinstance(part, str) for part in (token, cert, key)) or bool(cert) != bool(key):
            raise self._refused("gave a certificate without its key, or something that is no text")
        if not token and not cert:
            raise self._refused("gave neither a token nor a certificate")
        return Given(token, cert.encode(), key.encode(), expires_s)

    def _refused(self, what: str) -> TargetRefused:
        hint = f" ({self.hint[:100]})" if self.hint and shutil.which(self.argv[0]) is None else ""
        return TargetRefused(
            f"{self.place}: its plugin {self.argv[0]} {what}{hint}; nothing was changed; try it with kubectl"
        )


def give(plugin: Plugin, again: bool, clock: Clock | None = None) -> Given:
    """Run a plugin, or hand out what it gave this process before: many connections are opened in one run.

    Args:
        plugin: The plugin.
        again: Run it in any case.
        clock: Source of time.

    Raises:
        TargetUnreachable: It did not end in time, now or less than ``HUNG_S`` ago.
        TargetRefused: See :meth:`Plugin.run`.
    """
    clock = clock or SystemClock()
    key = json.dumps([plugin.argv, dict(plugin.environment), plugin.version, plugin.cluster], sort_keys=True)
    given = _GIVEN.get(key)
    if given is not None and not again and (given.expires_epoch_s or 0.0) - clock.epoch_s() > _WORTH_KEEPING_S:
        return given
    if key in _HUNG and clock.monotonic_s() - _HUNG[key] < HUNG_S:
        raise TargetUnreachable(
            f"{plugin.place}: its plugin {plugin.argv[0]} was not run again: it hung a moment ago; nothing was "
            "changed; log in with it first, so that it need not ask"
        )
    try:
        _GIVEN[key] = plugin.run()
    except TargetUnreachable:
        _HUNG[key] = clock.monotonic_s()
        raise
    return _GIVEN[key]


def read_plugin(place: str, folder: Path, spec: Mapping[str, Any], cluster: Mapping[str, Any]) -> Plugin:
    """Read what a kubeconfig says of a plugin; nothing is started.

    Args:
        place: Which context of which kubeconfig.
        folder: Of the kubeconfig; a relative command with a slash counts from there.
        spec: The user's key ``exec``; its keys are known.
        cluster: The context's cluster.

    Raises:
        TargetRefused: Something in it cannot be used; nothing was changed.
    """

    def refused(what: str) -> TargetRefused:
        return TargetRefused(f"{place}: its plugin (exec) {what}; nothing was changed; try it with kubectl")

    command, version = spec.get("command"), spec.get("apiVersion")
    arguments, variables = spec.get("args") or [], spec.get("env") or []
    if not isinstance(command, str) or not command:
        raise refused("has no command that is text")
    if version not in _VERSIONS:
        raise refused(f"has another apiVersion than {' or '.join(_VERSIONS)}")
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        raise refused("has args that are no list of texts")
    if not isinstance(variables, list) or not all(_is_variable(one) for one in variables):
        raise refused("has env that is no list of names and values")
    mode = spec.get("interactiveMode") or ("" if version == _VERSIONS[0] else "IfAvailable")
    if mode not in _MODES:
        raise refused(f"must say interactiveMode, one of {', '.join(_MODES)}")
    if mode == "Always":
        raise refused("always wants a terminal, which no run has")
    if os.sep in command:
        command = str(folder / command)
    return Plugin(
        place,
        (command, *arguments),
        {one["name"]: one["value"] for one in variables},
        str(version),
        _told_of(cluster, folder) if spec.get("provideClusterInfo") is True else None,
        str(spec.get("installHint") or ""),
    )


def _is_variable(one: object) -> bool:
    if not isinstance(one, dict):
        return False
    name, value = one.get("name"), one.get("value")
    return isinstance(name, str) and bool(name) and isinstance(value, str)


def _told_of(cluster: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The cluster as a plugin is told of it (source: client-go, pkg/apis/clientauthentication/v1, type Cluster)."""
    told = {key: cluster[key] for key in ("server", "tls-server-name", "insecure-skip-tls-verify") if cluster.get(key)}
    data = cluster.get("certificate-authority-data")
    file = cluster.get("certificate-authority")
    if not data and file:
        with contextlib.suppress(OSError):
            data = base64.b64encode((folder / str(file)).read_bytes()).decode()
    if data:
        told["certificate-authority-data"] = data
    for named in cluster.get("extensions") or []:
        if isinstance(named, dict) and named.get("name") == _CONFIG_EXTENSION:
            told["config"] = named.get("extension")
    return told


def _kill_all_of(process: "subprocess.Popen[bytes]") -> None:
    """End a plugin and what it started: it was not waited for, so its group has no other members."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
