"""Which cluster, as whom: the only one to choose a kubeconfig, and to make a description of a connection.

Which cluster: ``configuration.kubeconfig``, else the environment's KUBECONFIG, else chaosk8s' own explicit keys
(KUBERNETES_HOST, or CHAOSTOOLKIT_IN_POD=true), else refuse. Never silently ``~/.kube/config``. ``settings.py`` reads
these.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.cluster.door.address import server_parts
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connection import Connection, ConnectionSettings, connection_of
from chaoslib_cp.cluster.door.context import read_context
from chaoslib_cp.cluster.door.own_keys import PLACE, read_own_keys
from chaoslib_cp.cluster.door.proxies import refuse_proxy
from chaoslib_cp.cluster.door.within import within
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.kubeconfig import Document, refuse_from_outside, refuse_without_server
from chaoslib_cp.settings import Settings, context_key

OPEN_LIMIT_S = 20.0
"""For all that comes before the first byte: files, a plugin (15 s), the server's name (5 s)."""


@dataclass(frozen=True)
class Choice:
    """Which cluster and identity were meant.

    Attributes:
        identity: One of ``settings.IDENTITIES``.
        kubeconfig: Path, empty when chaosk8s' own keys describe the cluster.
        context: Context of that kubeconfig, empty without one.
    """

    identity: str
    kubeconfig: str
    context: str

    def __str__(self) -> str:
        if not self.kubeconfig:
            return PLACE
        return f"kubeconfig {self.kubeconfig} context {self.context!r}"


def choose(settings: Settings, identity: str) -> Choice:
    """Decide which kubeconfig and context an identity means, without opening anything.

    Raises:
        TargetRefused: No cluster was named, or the kubeconfig is none or has no such context. Nothing was changed.
    """
    path = settings.kubeconfig
    if not path:
        return _choose_without_kubeconfig(settings, identity)
    if os.pathsep in path:
        raise TargetRefused(f"KUBECONFIG names several files ({path}); nothing was changed; name exactly one")
    context = settings.context(identity)
    content = settings.kubeconfig_document
    refuse_from_outside(path, content)
    names = [str(entry.get("name")) for entry in content["contexts"]]
    if context not in names:
        source = settings.named_by(context_key(identity))
        option = ", or `chaos cp mark --context`" if identity == "admin" else ""
        raise TargetRefused(
            f"kubeconfig {path} has no context {context!r}{source} for identity {identity} "
            f"(it has: {', '.join(names)}); nothing was changed; "
            f"name one that it has: configuration.{context_key(identity)}{option}"
        )
    refuse_without_server(path, content, context)
    return Choice(identity, str(Path(path).expanduser().absolute()), context)


def open_cluster(settings: Settings, identity: str = "runner", known_addresses: Sequence[str] = ()) -> Cluster:
    """Open a cluster as one identity; nothing is sent to it yet. Arguments and errors: :func:`describe`."""
    return Cluster(describe(settings, identity, known_addresses))


def open_context(document: Document, kubeconfig: str, context: str, identity: str) -> Cluster:
    """Open a cluster by a kubeconfig that is perhaps not written yet; nothing is sent to it yet.

    Args:
        document: The kubeconfig.
        kubeconfig: Its path.
        context: A context that it has.
        identity: One of ``settings.IDENTITIES``.

    Raises:
        TargetRefused: Server or credentials cannot be used.
        TargetUnreachable: Something did not end in time.
    """
    choice = Choice(identity, kubeconfig, context)
    return Cluster(
        within(OPEN_LIMIT_S, f"opening the cluster as {identity}", lambda: _describe_context(document, choice, ()))
    )


def describe(settings: Settings, identity: str = "runner", known_addresses: Sequence[str] = ()) -> Connection:
    """Read all that one identity needs to ask a cluster, within ``OPEN_LIMIT_S``.

    Args:
        settings: What the run was told. A CA that is given is enforced, whatever KUBERNETES_VERIFY_SSL says.
        identity: One of ``settings.IDENTITIES``.
        known_addresses: ``ip:port`` noted earlier, used when the server's name no longer resolves, and after those
            that it resolves to.

    Raises:
        TargetRefused: No cluster was named, or its kubeconfig, server or credentials cannot be used.
        TargetUnreachable: The server's name does not resolve and no address was noted, or something did not end in
            time: a plugin, a name, a file on a dead mount.
    """
    return within(
        OPEN_LIMIT_S, f"opening the cluster as {identity}", lambda: _describe(settings, identity, known_addresses)
    )


def _describe(settings: Settings, identity: str, known_addresses: Sequence[str]) -> Connection:
    choice = choose(settings, identity)
    if choice.kubeconfig:
        return _describe_context(settings.kubeconfig_document, choice, known_addresses)
    return _connection(read_own_keys(settings.secrets), choice, known_addresses)


def _describe_context(document: Document, choice: Choice, known_addresses: Sequence[str]) -> Connection:
    told = read_context(document, choice.kubeconfig, choice.context, str(choice))
    return _connection(told, choice, known_addresses)


def _connection(told: ConnectionSettings, choice: Choice, known_addresses: Sequence[str]) -> Connection:
    parts = server_parts(told.server, str(choice))
    refuse_proxy(parts, str(choice))
    return connection_of(told, parts, (choice.identity, choice.context, choice.kubeconfig), known_addresses)


def _choose_without_kubeconfig(settings: Settings, identity: str) -> Choice:
    if not settings.has_own_keys:
        raise TargetRefused(
            "no cluster was named: ~/.kube/config is never used silently; nothing was changed; "
            "set KUBECONFIG or configuration.kubeconfig, or start it with `chaos cp exec -- ...`"
        )
    if identity != "runner":
        raise TargetRefused(
            f"identity {identity} needs a kubeconfig with a context for it; nothing was changed; "
            f"set KUBECONFIG and configuration.{context_key(identity)}"
        )
    return Choice(identity, "", "")
