"""A cluster that chaosk8s' own keys describe: KUBERNETES_HOST and its kin, or the pod that this runs in.

What they mean is left to chaosk8s' factory; this is the only importer of the kubernetes client.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.authorization import authorization, refuse_unsendable
from chaoslib_cp.cluster.door.connection import ConnectionSettings
from chaoslib_cp.cluster.door.login import READ_AGAIN_S, Credentials, Login
from chaoslib_cp.errors import TargetRefused

PLACE = "the cluster that KUBERNETES_HOST or CHAOSTOOLKIT_IN_POD names"
_FACTORY_LOCK = threading.Lock()  # the factory reads process-wide state, see _without_kubeconfig
_NOWHERE = "/nonexistent/kubeconfig"


def read_own_keys(secrets: Mapping[str, Any]) -> ConnectionSettings:
    """Read what chaosk8s makes of its own keys.

    Raises:
        TargetRefused: Nothing can be made of them; nothing was changed.
    """
    configuration = _configuration(secrets)
    return ConnectionSettings(
        place=PLACE,
        server=str(configuration.host),
        tls_server_name=str(configuration.tls_server_name or ""),
        authority=_content(configuration.ssl_ca_cert, "certificate authority", "KUBERNETES_CA_CERT_FILE"),
        authority_keys="KUBERNETES_CA_CERT_FILE",
        # chaosk8s verifies nothing unless KUBERNETES_VERIFY_SSL is set; an authority that was given is enforced
        is_insecure=not configuration.verify_ssl,
        impersonation=(),
        login=Login(lambda _again: _credentials(configuration)),
    )


def _credentials(configuration: Any) -> Credentials:
    header = "".join(authorization(configuration).values())  # in a pod, the client reads the token's file again
    refuse_unsendable(PLACE, "its token", [header])
    certificate = _content(configuration.cert_file, "client certificate", "KUBERNETES_CERT_FILE")
    key = _content(configuration.key_file, "client key", "KUBERNETES_KEY_FILE")
    return Credentials(header, certificate or b"", key or b"", SystemClock().epoch_s() + READ_AGAIN_S)


def _content(path: Any, what: str, key: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except (OSError, TypeError, ValueError):
        raise TargetRefused(f"{PLACE}: its {what} cannot be read; nothing was changed; correct {key}") from None


def _configuration(secrets: Mapping[str, Any]) -> Any:
    """The factory's client configuration; its client is thrown away, retries were fixed when it was made."""
    from chaosk8s import create_k8s_api_client

    try:
        with _FACTORY_LOCK, _without_kubeconfig():
            client = create_k8s_api_client(dict(secrets))
    except Exception as error:  # noqa: BLE001 - on odd values the client fails with whatever comes
        # neither its words nor a traceback: they may repeat a password that cannot be encoded
        raise TargetRefused(
            f"{PLACE} cannot be used ({type(error).__name__}); nothing was changed; correct those keys"
        ) from None
    client.rest_client.pool_manager.clear()
    return client.configuration


@contextmanager
def _without_kubeconfig() -> Iterator[None]:
    """Keep the factory from a default kubeconfig, which it would prefer to its own keys.

    It looks whether the environment's KUBECONFIG exists, then loads the place that the client remembered when it was
    imported (read in chaosk8s 0.39 and kubernetes 29 to 37).
    """
    from kubernetes.config import kube_config

    before, remembered = os.environ.get("KUBECONFIG"), kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    os.environ["KUBECONFIG"] = kube_config.KUBE_CONFIG_DEFAULT_LOCATION = _NOWHERE
    try:
        yield
    finally:
        kube_config.KUBE_CONFIG_DEFAULT_LOCATION = remembered
        if before is None:
            del os.environ["KUBECONFIG"]
        else:
            os.environ["KUBECONFIG"] = before
