"""The keys of a kubeconfig: which are honoured here, and which are refused. The one place that says so.

kubectl passes over a key that it does not know; here that would be a connection which is not the one that was written
down, so such a key is refused by its name. docs/kubeconfig.md shows these tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.errors import TargetRefused


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        name: As it is written.
        words: What it does here; where it is refused, why.
        instead: What to do instead of it; empty where it is honoured.
        of: What its value is.
    """

    name: str
    words: str
    instead: str = ""
    of: type = str


_CALLED: Final = {str: "text", bool: "true or false", list: "a list", dict: "a mapping"}


# Source: kubernetes/client-go, tools/clientcmd/api/v1/types.go (Cluster, AuthInfo, Context, ExecConfig).
CLUSTER_KEYS: Final = (
    Key("server", "honoured with its path; by address, so that nothing depends on DNS from then on"),
    Key("tls-server-name", "honoured: the name that the certificate must carry"),
    Key("certificate-authority", "honoured: a file, as bytes; relative paths count from the kubeconfig"),
    Key("certificate-authority-data", "honoured; not beside the file"),
    Key(
        "insecure-skip-tls-verify",
        "honoured without an authority; the gate then refuses; with one it is refused",
        of=bool,
    ),
    Key("disable-compression", "no effect: nothing is asked for compressed", of=bool),
    Key("extensions", "handed to a plugin that wants them, otherwise without effect", of=list),
    Key("proxy-url", "a proxy would be measured in place of the API server", "name a server that is reached directly"),
)
USER_KEYS: Final = (
    Key("client-certificate", "honoured: a file, read again every minute"),
    Key("client-certificate-data", "honoured; not beside the file"),
    Key("client-key", "honoured: a file, read again every minute"),
    Key("client-key-data", "honoured; not beside the file"),
    Key("token", "honoured"),
    Key("tokenFile", "honoured: read again every minute; it comes before `token`"),
    Key("username", "honoured with a password"),
    Key("password", "honoured with a user name"),
    Key("exec", "honoured: run with a limit of 15 s, and again before what it gave expires", of=dict),
    Key("as", "honoured: Impersonate-User"),
    Key("as-uid", "honoured: Impersonate-Uid"),
    Key("as-groups", "honoured: Impersonate-Group", of=list),
    Key("as-user-extra", "honoured: Impersonate-Extra", of=dict),
    Key("extensions", "no effect", of=list),
    Key("auth-provider", "kubectl has dropped its kinds one by one", "use a plugin (exec)", of=dict),
)
CONTEXT_KEYS: Final = (
    Key("cluster", "honoured"),
    Key("user", "honoured; one without credentials is refused"),
    Key("namespace", "no effect: every request names its own"),
    Key("extensions", "no effect", of=list),
)
EXEC_KEYS: Final = (
    Key("apiVersion", "honoured: client.authentication.k8s.io/v1 or v1beta1"),
    Key("command", "honoured; with a slash in it, relative paths count from the kubeconfig"),
    Key("args", "honoured", of=list),
    Key("env", "honoured: beside the variables that are set here", of=list),
    Key("interactiveMode", "Never and IfAvailable: the plugin has no terminal; Always is refused"),
    Key("provideClusterInfo", "honoured", of=bool),
    Key("installHint", "shown when the command is not there"),
)
TABLES: Final = {"cluster": CLUSTER_KEYS, "user": USER_KEYS, "context": CONTEXT_KEYS, "exec": EXEC_KEYS}
"""By what the keys are of."""


def refuse_keys(place: str, kind: str, content: Mapping[str, Any]) -> None:
    """Refuse what would not be honoured. A key without a value says nothing.

    Args:
        place: Which context of which kubeconfig.
        kind: A key of ``TABLES``.
        content: What stands there.

    Raises:
        TargetRefused: A key is refused or not known, or its value is of another type; nothing was changed.
    """
    known = {key.name: key for key in TABLES[kind]}
    for name, value in content.items():
        if name not in known:
            raise TargetRefused(
                f"{place}: the {kind} has a key {str(name)[:60]!r}, which is not known here and would not be honoured; "
                "nothing was changed; remove it (docs/kubeconfig.md lists the keys)"
            )
        if value is not None and not isinstance(value, known[name].of):
            raise TargetRefused(
                f"{place}: the {kind} has {name}, which must be {_CALLED[known[name].of]}; nothing was changed; "
                "correct it"
            )
        if known[name].instead and value:
            raise TargetRefused(
                f"{place}: the {kind} has {name}, which is refused: {known[name].words}; nothing was changed; "
                f"{known[name].instead}"
            )
