"""What a context of a kubeconfig says of its cluster and user, each key read as kubectl reads it.

Source: kubernetes/client-go, tools/clientcmd/client_config.go and validation.go, transport/round_trippers.go.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.authorization import refuse_unsendable
from chaoslib_cp.cluster.door.connection import ConnectionSettings
from chaoslib_cp.cluster.door.exec_plugin import Plugin, give, read_plugin
from chaoslib_cp.cluster.door.keys import refuse_keys
from chaoslib_cp.cluster.door.login import NEVER, READ_AGAIN_S, Credentials, Login
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.kubeconfig import Document

_CERTIFICATE = "client-certificate"
_FILES = ("client-certificate", "client-key", "tokenFile")
# RFC 9110, 5.6.2: what a header's name may hold; an extra's key holds more, so the rest is escaped as client-go does.
_HEADER_NAME_CHARACTERS = "!#$&'*+-.^_`|~"


def read_context(document: Document, kubeconfig: str, context: str, place: str) -> ConnectionSettings:
    """Read what a context says.

    Args:
        document: The kubeconfig.
        kubeconfig: Its path; relative files count from its folder.
        context: A context that it has.
        place: Both in words.

    Raises:
        TargetRefused: A key is not honoured here, or what stands there cannot be used.
        TargetUnreachable: A plugin did not end in time.
    """
    folder = Path(kubeconfig).parent
    entry = _named(document, "contexts", context, place)
    refuse_keys(place, "context", entry)
    cluster = _named(document, "clusters", entry.get("cluster"), place)
    refuse_keys(place, "cluster", cluster)
    user = _named(document, "users", entry["user"], place) if entry.get("user") else {}
    refuse_keys(place, "user", user)
    of_cluster, of_user = _Reader(place, folder, cluster), _Reader(place, folder, user)
    is_insecure = cluster.get("insecure-skip-tls-verify") is True
    authority = of_cluster.content("certificate-authority")
    if is_insecure and authority is not None:
        raise of_cluster.wrong(
            "has insecure-skip-tls-verify beside a certificate authority, which kubectl refuses, too"
        )
    return ConnectionSettings(
        place=place,
        server=of_cluster.text("server"),
        tls_server_name=of_cluster.text("tls-server-name"),
        authority=authority,
        authority_keys="certificate-authority or certificate-authority-data",
        is_insecure=is_insecure,
        impersonation=_impersonation(of_user),
        login=Login(_reader_of(of_user, cluster)),
    )


@dataclass(frozen=True)
class _Reader:
    """Values of one entry, each checked for what it must be."""

    place: str
    folder: Path
    entry: Mapping[str, Any]

    def wrong(self, what: str) -> TargetRefused:
        return TargetRefused(f"{self.place} {what}; nothing was changed; correct it in the kubeconfig")

    def text(self, key: str) -> str:
        value = self.entry.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(f"has {key} that is no text")
        return value or ""

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.entry.get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.wrong(f"has {key} that is no list of texts")
        return tuple(value)

    def content(self, key: str) -> bytes | None:
        """What stands in a key's ``-data``, or else in the file that it names; None where neither is there."""
        if self.text(f"{key}-data") and self.text(key):
            raise self.wrong(f"has {key} beside {key}-data, which kubectl refuses, too")
        if data := "".join(self.text(f"{key}-data").split()):
            try:
                return base64.b64decode(data, validate=True)
            except (binascii.Error, ValueError):
                raise self.wrong(f"has {key}-data that is not base64") from None
        return self.file(key)

    def file(self, key: str) -> bytes | None:
        name = self.text(key)
        if not name:
            return None
        try:
            return (self.folder / name).read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no path can be that"
            raise self.wrong(f"names a file in {key} that cannot be read ({reason})") from None


def _named(document: Document, kind: str, name: object, place: str) -> Mapping[str, Any]:
    found = [entry for entry in document[kind] if entry.get("name") == name]
    if len(found) != 1:
        how_many = "no entry" if not found else "several entries"
        raise TargetRefused(
            f"{place}: {how_many} in {kind} with the name {str(name)[:60]!r}; nothing was changed; correct it in the "
            "kubeconfig"
        )
    content = found[0].get(kind.removesuffix("s"))
    return content if isinstance(content, dict) else {}


def _impersonation(user: _Reader) -> tuple[tuple[str, str], ...]:
    name, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra = user.entry.get("as-user-extra") or {}
    inner = _Reader(user.place, user.folder, extra)
    headers = [("Impersonate-User", name)] if name else []
    headers += [("Impersonate-Uid", uid)] if uid else []
    headers += [("Impersonate-Group", group) for group in groups]
    for key in extra:
        escaped = quote(str(key).lower(), safe=_HEADER_NAME_CHARACTERS)
        headers += [(f"Impersonate-Extra-{escaped}", value) for value in inner.texts(key)]
    if headers and not name:
        raise user.wrong("stands for a group or uid of nobody: `as` is missing, and kubectl refuses that, too")
    refuse_unsendable(user.place, "as, as-uid, as-groups or as-user-extra", [value for _, value in headers])
    return tuple((key, _on_the_wire(value)) for key, value in headers)


def _reader_of(user: _Reader, cluster: Mapping[str, Any]) -> Callable[[bool], Credentials]:
    """The function that reads a user's credentials, now and again."""
    plugin = _plugin(user, cluster)
    _refuse_two_ways(user, plugin)
    has_files = any(user.text(key) for key in _FILES)

    def read(again: bool) -> Credentials:
        certificate, key = user.content("client-certificate") or b"", user.content("client-key") or b""
        if bool(certificate) != bool(key):
            raise user.wrong("has a client certificate without its key, or a key without a certificate")
        authorization, until_s = _authorization(user), NEVER
        expires = False
        if plugin is not None:
            given = give(plugin, again)
            refuse_unsendable(user.place, "its token", [given.token])
            authorization = f"Bearer {_on_the_wire(given.token)}" if given.token else ""
            if given.client_cert_pem:
                certificate, key = given.client_cert_pem, given.client_key_pem
            expires, until_s = True, NEVER if given.expires_epoch_s is None else given.expires_epoch_s
        elif has_files:
            until_s = SystemClock().epoch_s() + READ_AGAIN_S
        if not authorization and not certificate:
            raise user.wrong("has no credentials: requests would be anonymous, and kubectl would ask for a name")
        refuse_unsendable(user.place, "its token", [authorization])
        return Credentials(authorization, certificate, key, until_s, expires)

    return read


def _on_the_wire(text: str) -> str:
    """A header's value in the bytes that Go sends, one character a byte as Python's HTTP libraries have it."""
    return text.encode().decode("latin-1")


def _plugin(user: _Reader, cluster: Mapping[str, Any]) -> Plugin | None:
    spec = user.entry.get("exec")
    if spec is None:
        return None
    refuse_keys(user.place, "exec", spec)
    return read_plugin(user.place, user.folder, spec, cluster)


def _refuse_two_ways(user: _Reader, plugin: Plugin | None) -> None:
    """Source: client-go, validateAuthInfo: a token, a password and a plugin exclude each other.

    Beside a client certificate, kubectl does not run the plugin (seen: 1.36).
    """
    ways = [
        name
        for name, is_used in (
            ("a token", user.text("token") or user.text("tokenFile")),
            ("a user name", user.text("username") or user.text("password")),
            ("a client certificate", plugin and (user.text(_CERTIFICATE) or user.text(f"{_CERTIFICATE}-data"))),
            ("a plugin (exec)", plugin),
        )
        if is_used
    ]
    if len(ways) > 1:
        raise user.wrong(f"has {' and '.join(ways)} for one user: nobody knows which counts")


def _authorization(user: _Reader) -> str:
    """The header's value; a token file that cannot be read leaves the token (source: client-go, transport)."""
    text = user.text("token").strip()
    refuse_unsendable(user.place, "its token", [text])
    token = _on_the_wire(text)
    if user.text("tokenFile"):
        try:
            token = (user.file("tokenFile") or b"").decode("latin-1").strip() or token
        except TargetRefused:
            if not token:
                raise
    if token:
        return f"Bearer {token}"
    name, password = user.text("username"), user.text("password")
    if not name:  # then kubectl sends no password either
        return ""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
