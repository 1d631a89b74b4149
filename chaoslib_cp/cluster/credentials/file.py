"""The kubeconfig that is made: its content, and how it gets on the disk, whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from chaoslib_cp.cluster.credentials.who import Credential
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.kubeconfig import REACHED_FROM, Document


def kubeconfig_content(
    credentials: Mapping[str, Credential], servers: Mapping[str, Mapping[str, Any]], source: Document
) -> dict[str, Any]:
    """Make the content: one context for each identity, with the identity's name. That of the administrator is current.

    Args:
        credentials: By identity; the administrator's is one of them.
        servers: The cluster's entry for each of these identities.
        source: The kubeconfig that the administrator gave: from where the cluster can be reached is taken over.
    """
    distinct: list[Mapping[str, Any]] = []
    for entry in servers.values():
        if entry not in distinct:
            distinct.append(entry)
    names = [f"test-cluster-{number}" if number else "test-cluster" for number in range(len(distinct))]
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": dict(entry)} for name, entry in zip(names, distinct, strict=True)],
        "contexts": [
            {"name": identity, "context": {"cluster": names[distinct.index(servers[identity])], "user": identity}}
            for identity in credentials
        ],
        "users": [{"name": name, "user": dict(one.entry)} for name, one in credentials.items()],
        "current-context": "admin",
    }
    reached_from = [one for one in source["extensions"] if one.get("name") == REACHED_FROM]
    return {**content, "extensions": reached_from} if reached_from else content


def refuse_output(output: Path, may_replace: bool, sources: list[str]) -> None:
    """Refuse a file that must not, or cannot, be written.

    Args:
        output: The file.
        may_replace: The user said that an existing one may be replaced.
        sources: Kubeconfigs that are read.

    Raises:
        TargetRefused: Nothing was changed.
    """
    if output.is_dir() or not _can_be_written_to(output.parent):
        raise TargetRefused(
            f"{output} cannot be written; nothing was changed; name a file in a folder that is there and that you may "
            "write to"
        )
    if not os.path.lexists(output):
        return
    if any(_is_same(output, Path(source).expanduser()) for source in sources):
        raise TargetRefused(
            f"{output} is the kubeconfig that is read, which stays; nothing was changed; name another file"
        )
    if not may_replace:
        raise TargetRefused(f"{output} exists; nothing was changed; name another file, or replace it with --force")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of the two is not there
        return False


def _can_be_written_to(folder: Path) -> bool:
    """Try it, for rights alone do not tell; nothing is changed."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def write_whole(output: Path, content: Mapping[str, Any], may_replace: bool) -> None:
    """Write the file, for its owner only: it appears when all of it is on the disk.

    Args:
        output: The file.
        content: What to write.
        may_replace: An existing one may be replaced.

    Raises:
        TargetRefused: It cannot be written, or somebody has made one in the meantime; no new file is left.
    """
    text = yaml.safe_dump(dict(content), sort_keys=False)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)  # its mode is 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            refuse_output(output, may_replace, [])
            os.replace(name, output)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise TargetRefused(
            f"{output} could not be written ({error.strerror}); no file is left, and the credentials are lost; correct "
            "that, or name another file"
        ) from error
