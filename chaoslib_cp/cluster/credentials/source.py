"""The kubeconfigs that are read: who makes the credentials, and whose break-glass is copied."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.credentials.who import Credential
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.kubeconfig import Document, current_context
from chaoslib_cp.settings import Settings, context_key, read_settings

_CERTIFICATE_KEYS = ("client-certificate", "client-certificate-data", "client-key", "client-key-data")
_PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"


@dataclass(frozen=True)
class Source:
    """A context that was opened, and what of it may go into another file.

    Attributes:
        cluster: The cluster, as that context's user; close it.
        server_entry: The cluster's entry for another kubeconfig: server, authority, name of the certificate.
        user: What its user logs in with, for break-glass only; never printed.
        document: The kubeconfig it stands in.
    """

    cluster: Cluster
    server_entry: Mapping[str, Any]
    user: Credential
    document: Document = field(repr=False)


def open_source(identity: str, file: str, context: str, option: str) -> Source:
    """Open a context of a kubeconfig; nothing is sent yet.

    Args:
        identity: ``admin`` for who makes the credentials, ``break-glass``.
        file: The kubeconfig; empty for the one that KUBECONFIG names.
        context: Its context; empty for its current one.
        option: The option that names the context, for the refusal.

    Raises:
        TargetRefused: No file was named, it has no such context, or its server proves nothing; nothing was changed.
        TargetUnreachable: Something did not end in time: a plugin, a name, a file on a dead mount.
    """
    configuration = {"kubeconfig": file} if file else {}
    settings = read_settings(configuration)
    if settings.kubeconfig and os.pathsep not in settings.kubeconfig:
        context = context or current_context(settings.kubeconfig, settings.named_by("kubeconfig"))
        _refuse_unknown(settings, context, option)
    cluster = open_cluster(read_settings({**configuration, context_key(identity): context}), identity)
    if not cluster.is_verified:
        cluster.close()
        raise TargetRefused(
            f"context {context!r} names no certificate authority for {cluster.server}, so anybody could answer there "
            "and be shown the credentials; nothing was changed; let it name one"
        )
    folder, document = Path(cluster.kubeconfig).parent, settings.kubeconfig_document
    entry = _content(document, "contexts", context)
    user = _content(document, "users", entry.get("user"))
    login = cluster.connection.login.credentials()
    return Source(
        cluster,
        _server_entry(cluster, _content(document, "clusters", entry.get("cluster")), user),
        Credential("", _portable(user, folder, login.client_cert_pem, login.client_key_pem), None),
        document,
    )


def _refuse_unknown(settings: Settings, context: str, option: str) -> None:
    names = [str(entry.get("name")) for entry in settings.kubeconfig_document["contexts"]]
    if context not in names:
        what = f"context {context!r}" if context else "current context"
        raise TargetRefused(
            f"kubeconfig {settings.kubeconfig} has no {what} (it has: {', '.join(names) or 'none'}); nothing was "
            f"changed; name one with {option}"
        )


def _content(document: Document, kind: str, name: object) -> Mapping[str, Any]:
    """What stands in an entry that exists: opening it has shown that."""
    return next((one.get(kind.removesuffix("s")) or {} for one in document[kind] if one.get("name") == name), {})


def _server_entry(cluster: Cluster, said: Mapping[str, Any], user: Mapping[str, Any]) -> Mapping[str, Any]:
    entry: dict[str, Any] = {
        "server": cluster.server,
        "certificate-authority-data": base64.b64encode(cluster.connection.ca_pem).decode(),
    }
    if said.get("tls-server-name"):
        entry["tls-server-name"] = said["tls-server-name"]
    wanted = [one for one in said.get("extensions") or () if one.get("name") == _PLUGIN_EXTENSION]
    if wanted and (user.get("exec") or {}).get("provideClusterInfo"):
        entry["extensions"] = wanted
    return entry


def _portable(user: Mapping[str, Any], folder: Path, certificate: bytes, key: bytes) -> Mapping[str, Any]:
    """A user's entry as it works in a file of another folder."""
    entry = {name: value for name, value in user.items() if name not in (*_CERTIFICATE_KEYS, "extensions")}
    if any(user.get(name) for name in _CERTIFICATE_KEYS):
        entry["client-certificate-data"] = base64.b64encode(certificate).decode()
        entry["client-key-data"] = base64.b64encode(key).decode()
    if entry.get("tokenFile"):
        entry["tokenFile"] = str(folder / entry["tokenFile"])
    command = (entry.get("exec") or {}).get("command", "")
    if os.sep in command:
        entry["exec"] = {**entry["exec"], "command": str(folder / command)}
    return entry
