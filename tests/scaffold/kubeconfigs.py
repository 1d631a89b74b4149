"""Changed kubeconfigs of a fake cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.kube_objects import KubeObjects


def change(kube: KubeObjects, what: Callable[[dict[str, Any]], object]) -> None:
    """Change the kubeconfig in its place."""
    document = yaml.safe_load(kube.kubeconfig.read_text(encoding="utf-8"))
    what(document)
    kube.kubeconfig.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")


def change_user(kube: KubeObjects, name: str, **keys: Any) -> None:
    """Put keys (``_`` for ``-``) into one user."""
    named = {key.replace("_", "-"): value for key, value in keys.items()}
    change(kube, lambda document: _content(document["users"], name, "user").update(named))


def replace_user(kube: KubeObjects, name: str, user: dict[str, Any]) -> None:
    """Let one identity be this user."""

    def put(document: dict[str, Any]) -> None:
        next(one for one in document["users"] if one["name"] == name)["user"] = user

    change(kube, put)


def change_cluster(kube: KubeObjects, **keys: Any) -> None:
    """Put keys (``_`` for ``-``) into the cluster."""
    named = {key.replace("_", "-"): value for key, value in keys.items()}
    change(kube, lambda document: document["clusters"][0]["cluster"].update(named))


def a_plugin(folder: Path, script: str) -> dict[str, Any]:
    """What a user has who logs in with a plugin of this shell script."""
    file = folder / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o700)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(file), "interactiveMode": "Never"}}


def says(token: str = "", expires: str = "", **more: str) -> str:
    """A script that gives these credentials; both may hold what the shell puts in."""
    status = [f'\\"token\\":\\"{token}\\"'] if token else []
    status += [f'\\"expirationTimestamp\\":\\"{expires}\\"'] if expires else []
    status += [f'\\"{key}\\":\\"{value}\\"' for key, value in more.items()]
    kind = '\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\"'
    return f'printf "%s" "{{{kind},\\"status\\":{{{",".join(status)}}}}}"'


def _content(entries: list[dict[str, Any]], name: str, key: str) -> dict[str, Any]:
    content: dict[str, Any] = next(one for one in entries if one["name"] == name)[key]
    return content
