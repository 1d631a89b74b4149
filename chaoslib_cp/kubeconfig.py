"""The kubeconfig as a document: read once, its shape checked, so that whatever somebody wrote is refused in one line.

The official client takes a well-formed file for granted; on another it fails with any error there is.
"""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

import yaml

from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.namespace import is_inside

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Extension of a kubeconfig that works only from inside a place; see :func:`way_in`.
REACHED_FROM: Final = "chaoslib-cp/reached-from"
Document = dict[str, list[dict[str, Any]]]
_CONTENT_KEYS = {"contexts": "context", "clusters": "cluster", "users": "user"}


def read_kubeconfig(path: str, named_by: str = "") -> Document:
    """Read a kubeconfig.

    Args:
        path: The file; ``~`` is the home folder.
        named_by: Words that follow the path in a refusal, for example `` (from variable KUBECONFIG)``.

    Returns:
        Its ``contexts``, ``clusters``, ``users`` and ``extensions``; what is missing is an empty list.

    Raises:
        TargetRefused: It cannot be read, or is none; nothing was changed.
    """
    content = _content(path, named_by)
    lists = {key: _entries(path, content, key) for key in (*_CONTENT_KEYS, "extensions")}
    for key, inner in _CONTENT_KEYS.items():
        for entry in lists[key]:
            if not isinstance(entry.get(inner), dict | None):
                raise _malformed(path, f"{inner} of {entry.get('name')!r} in {key} is not a mapping")
    return lists


def current_context(path: str, named_by: str = "") -> str:
    """Return what a kubeconfig says is its current context; empty where it says nothing.

    Args:
        path: The file.
        named_by: As for :func:`read_kubeconfig`.

    Raises:
        TargetRefused: It cannot be read, or is none; nothing was changed.
    """
    return str(_content(path, named_by).get("current-context") or "")


def _content(path: str, named_by: str) -> dict[str, Any]:
    place = f"kubeconfig {path}{named_by}"
    try:
        content = yaml.load(Path(path).expanduser().read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - safe
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text, or no home folder of that name"
        raise TargetRefused(f"{place}: {reason}; nothing was changed; name a readable file") from error
    except yaml.YAMLError:
        # the error shows the lines around the mistake, and they may hold a token
        raise TargetRefused(f"{place} is not YAML; nothing was changed; name another file") from None
    if not isinstance(content, dict):
        raise TargetRefused(f"{place} is not a kubeconfig; nothing was changed; name another file")
    return content


def refuse_without_server(path: str, content: Mapping[str, Any], context: str) -> None:
    """Refuse a context whose cluster says no server: the client would go on to localhost.

    Args:
        path: The kubeconfig's path.
        content: What :func:`read_kubeconfig` read.
        context: One of its contexts.

    Raises:
        TargetRefused: The server is missing or no text; nothing was changed.
    """
    name = next((entry.get("context") or {} for entry in content["contexts"] if entry.get("name") == context), {})
    for entry in content["clusters"]:
        server = (entry.get("cluster") or {}).get("server")
        if entry.get("name") == name.get("cluster") and not (isinstance(server, str) and server):
            raise TargetRefused(
                f"kubeconfig {path} context {context!r}: cluster {entry.get('name')!r} has no server that is text; "
                "nothing was changed; write server: https://HOST:PORT there"
            )


def refuse_from_outside(path: str, content: Mapping[str, Any]) -> None:
    """Refuse a cluster whose kubeconfig says that it is reached from a place where we are not.

    Args:
        path: The kubeconfig's path.
        content: What :func:`read_kubeconfig` read.

    Raises:
        TargetRefused: We are elsewhere, or what the file says of the place cannot be understood; nothing was changed.
    """
    if way := way_in(path, content):
        raise TargetRefused(
            f"the cluster of kubeconfig {path} cannot be reached from here; nothing was changed; "
            f"run: {shlex.join(way)} {_typed()}"
        )


def way_in(path: str, content: Mapping[str, Any]) -> list[str]:
    """Return the command that leads to where the cluster can be reached, to be put before one that needs it.

    The kubeconfig says so in an extension: that command, and the words of the command line of process 1 in there.

    Args:
        path: The kubeconfig's path.
        content: What :func:`read_kubeconfig` read.

    Returns:
        The words of the command; empty when we are there, or when the file says nothing of a place.

    Raises:
        TargetRefused: What the file says of the place cannot be understood; nothing was changed.
    """
    for named in content["extensions"]:
        place = named.get("extension")
        if named.get("name") != REACHED_FROM or not place:
            continue
        words, command = (place.get("process-1"), place.get("command")) if isinstance(place, dict) else (None, None)
        if not (_are_words(words) and _are_words(command)):
            raise _malformed(path, f"extension {REACHED_FROM} has no lists of words `process-1` and `command`")
        if not is_inside(words):
            return list(command)
    return []


def _are_words(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _typed() -> str:
    """Name the command that is being run, without its arguments: they may hold a secret."""
    words = sys.argv[1:]
    if "cp" in words[:-1]:
        return f"chaos cp {words[words.index('cp') + 1]} ..."
    return "chaos run EXPERIMENT"


def _entries(path: str, content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = content.get(key)
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _malformed(path, f"{key} is not a list of mappings")
    return entries


def _malformed(path: str, what: str) -> TargetRefused:
    return TargetRefused(f"kubeconfig {path}: {what}; nothing was changed; correct it, or name another file")
