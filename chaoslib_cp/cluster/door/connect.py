"""Which cluster, as whom: the only one to choose a kubeconfig, the only importer of the kubernetes client.

Which cluster: ``configuration.kubeconfig``, else the environment's KUBECONFIG, else chaosk8s' own explicit keys
(KUBERNETES_HOST, or CHAOSTOOLKIT_IN_POD=true), else refuse. Never silently ``~/.kube/config``. ``settings.py`` reads
these.
"""

import hashlib
import os
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chaoslib_cp.cluster.door.address import addresses_of, server_parts
from chaoslib_cp.cluster.door.authorization import refuse_unusable_token
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.kubeconfig import refuse_from_outside, refuse_without_server
from chaoslib_cp.settings import Settings, context_key

_FACTORY_LOCK = threading.Lock()  # the factory reads process-wide state, see _seen_by_factory
_NOWHERE = "/nonexistent/kubeconfig"


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
            return "the cluster that KUBERNETES_HOST or CHAOSTOOLKIT_IN_POD names"
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
        option = ", or `chaos cp mark --context`" if identity == "admin" else ""
        raise TargetRefused(
            f"kubeconfig {path} has no context {context!r} for identity {identity} (it has: {', '.join(names)}); "
            f"nothing was changed; name one that it has: configuration.{context_key(identity)}{option}"
        )
    refuse_without_server(path, content, context)
    return Choice(identity, str(Path(path).expanduser().absolute()), context)


def open_cluster(settings: Settings, identity: str = "runner", known_addresses: Sequence[str] = ()) -> Cluster:
    """Open a cluster as one identity; nothing is sent yet.

    Args:
        settings: What the run was told. A CA that is given is enforced, whatever KUBERNETES_VERIFY_SSL says.
        identity: One of ``settings.IDENTITIES``.
        known_addresses: ``ip:port`` noted earlier, used when the server's name no longer resolves, and after those
            that it resolves to.

    Raises:
        TargetRefused: No cluster was named, or its kubeconfig, server or token cannot be used.
        TargetUnreachable: The server's name does not resolve and no address was noted.
    """
    choice = choose(settings, identity)
    client_configuration = _configuration_from_factory(choice, settings)
    refuse_unusable_token(client_configuration, str(choice))
    client_configuration.retries = False
    server = str(client_configuration.host)
    parts = server_parts(server, str(choice))
    ca_sha256 = _hash_of(client_configuration.ssl_ca_cert, choice)
    addresses = addresses_of(parts, known_addresses)
    by_address = _connect_by_address(client_configuration, addresses)
    facts = {
        "identity": identity,
        "context": choice.context,
        "kubeconfig": choice.kubeconfig,
        "server": server,
        "addresses": addresses,
        "by_address": by_address,
        "ca_sha256": ca_sha256,
        "is_verified": bool(ca_sha256) and parts.scheme == "https",
    }
    return Cluster(client_configuration, facts)


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


def _configuration_from_factory(choice: Choice, settings: Settings) -> Any:
    """What chaosk8s' factory makes of the choice; its client is thrown away, retries were fixed when it was made."""
    from chaosk8s import create_k8s_api_client

    given = dict(settings.secrets)
    if choice.context:
        given["KUBERNETES_CONTEXT"] = choice.context
    try:
        with _FACTORY_LOCK, _seen_by_factory(choice.kubeconfig or _NOWHERE):
            client = create_k8s_api_client(given)
    except Exception as error:  # noqa: BLE001 - on a malformed kubeconfig the client fails with whatever comes
        # neither its words nor a traceback: they may repeat what a plugin said, or a password that cannot be encoded
        raise TargetRefused(
            f"{choice} cannot be used ({type(error).__name__}); nothing was changed; try it with kubectl"
        ) from None
    configuration = client.configuration
    client.rest_client.pool_manager.clear()
    return configuration


@contextmanager
def _seen_by_factory(path: str) -> Iterator[None]:
    """Make the chosen file the one the factory sees.

    It takes no path: it looks whether the environment's KUBECONFIG exists, then loads the place that the client
    remembered when it was imported (read in chaosk8s 0.39 and kubernetes 29 to 37).
    """
    from kubernetes.config import kube_config

    before, remembered = os.environ.get("KUBECONFIG"), kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    os.environ["KUBECONFIG"] = kube_config.KUBE_CONFIG_DEFAULT_LOCATION = path
    try:
        yield
    finally:
        kube_config.KUBE_CONFIG_DEFAULT_LOCATION = remembered
        if before is None:
            del os.environ["KUBECONFIG"]
        else:
            os.environ["KUBECONFIG"] = before


def _connect_by_address(client_configuration: Any, addresses: Sequence[str]) -> bool:
    """From here on no name is looked up; the certificate is still checked against the name. False behind a proxy."""
    parts = urlsplit(str(client_configuration.host))
    if not parts.hostname or getattr(client_configuration, "proxy", None):
        return False
    if (parts.netloc,) != tuple(addresses):
        if parts.scheme == "https":
            client_configuration.tls_server_name = client_configuration.tls_server_name or parts.hostname
        client_configuration.host = f"{parts.scheme}://{addresses[0]}{parts.path}"
    return True


def _hash_of(ca_file: str | None, choice: Choice) -> str:
    """Hash of the certificates themselves: the same authority in another file layout is the same authority."""
    if not ca_file:
        return ""
    try:
        certificates = ssl.create_default_context(cafile=ca_file).get_ca_certs(binary_form=True)
    except (OSError, TypeError, ValueError) as error:
        keys = "certificate-authority or certificate-authority-data" if choice.kubeconfig else "KUBERNETES_CA_CERT_FILE"
        # what stands in the file goes to a temporary one, whose name would tell nobody anything
        raise TargetRefused(
            f"{choice}: its certificate authority cannot be read; nothing was changed; mend {keys}"
        ) from error
    return hashlib.sha256(b"".join(sorted(set(certificates)))).hexdigest()
