"""What a run was told, read once: which cluster, as whom, and where its results are.

The experiment's configuration comes first, then the environment. A value is kept as it was written: whoever uses it
checks it there and says what is wrong, so that one refusal can name everything that is wrong in a file.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.kubeconfig import Document, read_kubeconfig

IDENTITIES: Final = ("runner", "admin", "break-glass", "observer")
RUN_DIR_KEY: Final = "chaoslib_cp_run_dir"
"""Key of the configuration under which the control tells activities where the run's folder is."""
WITHOUT_CONTROL: Final = "adhoc"
"""Name of the run of an activity that is used without the control."""
CLUSTER_UID_VARIABLE: Final = "CHAOSLIB_CP_CLUSTER_UID"
CONTEXTS_VARIABLE: Final = "CHAOSLIB_CP_ALLOWED_CONTEXTS"
MAX_NODES: Final = 300
"""The largest cluster that is rehearsed by default: as-incident has 202 nodes."""

_LABEL_CHARACTERS: Final = 63  # source: Kubernetes documentation, "Labels and Selectors", syntax and character set
_UID_CHARACTERS: Final = 8


def context_key(identity: str) -> str:
    """Key of the configuration that names the kubeconfig context of one of ``IDENTITIES``."""
    return f"{identity.replace('-', '_')}_context"


def context_variable(identity: str) -> str:
    """Variable of the environment that names the context of one of ``IDENTITIES`` where the configuration does not."""
    return f"CHAOSLIB_CP_{context_key(identity).upper()}"


OWN_KEYS: Final = frozenset({
    "agent_image",
    "allowed_contexts",
    "cluster_uid",
    "image_pull_secret",
    "infrastructure",
    "kubeconfig",
    "max_nodes",
    "observe_deadlines_s",
    "observe_periods_s",
    "observe_s",
    "prober_pages",
    RUN_DIR_KEY,
    *map(context_key, IDENTITIES),
})  # fmt: skip
"""Keys of the configuration that this library reads itself; their values are names, addresses, paths and numbers."""


@dataclass(frozen=True)
class Told:
    """A value that more than one place may give.

    Attributes:
        source: Where it stands, in the user's words, for example ``configuration.cluster_uid``.
        value: What stands there.
    """

    source: str
    value: Any


@dataclass(frozen=True)
class Settings:
    """What a run was told; nothing in it is checked yet.

    Attributes:
        kubeconfig: Path of the kubeconfig, empty when none was named.
        contexts: The context of each identity for which one was named.
        has_own_keys: chaosk8s' own keys name a cluster.
        secrets: Those keys; never printed.
        cluster_uids: The one cluster that may be broken, from each place that names it.
        allowed_contexts: The contexts that may be used, from each place that keeps such a list.
        max_nodes: How large the cluster may be.
        infrastructure: Name of the infrastructure driver.
        observe_s: Seconds after which the observer ends by itself, None for the default.
        observe_periods_s: Seconds between attempts, by vantage point.
        observe_deadlines_s: Seconds that an attempt may take, by vantage point.
        prober_pages: Addresses ``ip:port`` of the workload prober's page.
        agent_image: Where the cluster finds the agents' image; empty for that of the prober.
        image_pull_secret: Secret in the agents' namespace with which it is pulled; empty for that of the prober.
        run_dir: Folder of this run's results, set by the control; None when an activity is used without it.
        source_of: Where values came from, by key of the configuration and in a user's words, where that is not the
            file, for example ``variable KUBECONFIG``.
    """

    kubeconfig: str = ""
    contexts: Mapping[str, str] = field(default_factory=dict)
    has_own_keys: bool = False
    secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    cluster_uids: tuple[Told, ...] = ()
    allowed_contexts: tuple[Told, ...] = ()
    max_nodes: Any = MAX_NODES
    infrastructure: str = "none"
    observe_s: Any = None
    observe_periods_s: Any = None
    observe_deadlines_s: Any = None
    prober_pages: Any = None
    agent_image: Any = ""
    image_pull_secret: Any = ""
    run_dir: Path | None = None
    source_of: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def kubeconfig_document(self) -> Document:
        """The kubeconfig, read when it is first asked for and never again.

        Raises:
            TargetRefused: It cannot be read, or is none; nothing was changed.
        """
        return read_kubeconfig(self.kubeconfig, self.named_by("kubeconfig"))

    def named_by(self, key: str) -> str:
        """Words that can follow a value: where it came from, empty if that is the file or nobody knows."""
        return f" (from {self.source_of[key]})" if key in self.source_of else ""

    def said(self, key: str) -> str:
        """What a refusal calls a key of the configuration, with where its value came from if that is not the file."""
        return f"configuration.{key}{self.named_by(key)}"

    @property
    def names_a_cluster(self) -> bool:
        """Somebody said which cluster is meant, rightly or wrongly."""
        return bool(self.kubeconfig) or self.has_own_keys

    @property
    def run(self) -> str:
        """Name of this run, fit for a file name and a label value."""
        if self.run_dir is None:
            return WITHOUT_CONTROL
        safe = re.sub(r"[^A-Za-z0-9_.-]", "-", self.run_dir.name)[:_LABEL_CHARACTERS].strip("-_.")
        return safe or WITHOUT_CONTROL

    @property
    def is_without_control(self) -> bool:
        """An activity is used by itself: nothing ends a run, and there may be one use for each cluster."""
        return self.run == WITHOUT_CONTROL

    def run_on(self, cluster_uid: str) -> str:
        """Name of this run's permit: uses without a control have one for each cluster, and never that of another."""
        if not self.is_without_control:
            return self.run
        short = re.sub(r"[^A-Za-z0-9]", "", cluster_uid)[:_UID_CHARACTERS]
        return f"{WITHOUT_CONTROL}-{short or 'unknown'}"

    def context(self, identity: str) -> str:
        """The kubeconfig context of an identity, by its usual name where none was named."""
        return self.contexts.get(identity) or identity

    def reached_by(self, kubeconfig: str, contexts: Mapping[str, str]) -> "Settings":
        """The same settings for a cluster that is reached in another way.

        Args:
            kubeconfig: Path of its kubeconfig, empty to keep the one that was named.
            contexts: Contexts by identity; an identity that is left out keeps its own.
        """
        replaced = {"kubeconfig"} if kubeconfig else set()
        replaced |= {context_key(identity) for identity in contexts}
        return replace(
            self,
            kubeconfig=kubeconfig or self.kubeconfig,
            contexts={**self.contexts, **contexts},
            source_of={key: source for key, source in self.source_of.items() if key not in replaced},
        )


def read_settings(
    configuration: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    source_of: Mapping[str, str] | None = None,
) -> Settings:
    """Read what a run was told. Nothing is refused here.

    Args:
        configuration: The experiment's configuration, resolved.
        secrets: chaosk8s' own keys: KUBERNETES_CONTEXT, KUBERNETES_HOST, KUBERNETES_API_KEY and so on.
        environ: The environment, that of this process by default.
        source_of: Where values of the configuration came from, by key, where that is known and not the file.
    """
    configuration, secrets = configuration or {}, secrets or {}
    environ = os.environ if environ is None else environ
    run_dir = configuration.get(RUN_DIR_KEY)
    return Settings(
        kubeconfig=str(configuration.get("kubeconfig") or environ.get("KUBECONFIG") or ""),
        contexts=_contexts(configuration, secrets, environ),
        has_own_keys=_has_own_keys(secrets, environ),
        secrets=secrets,
        cluster_uids=_told(CLUSTER_UID_VARIABLE, environ, "cluster_uid", configuration.get("cluster_uid") or None),
        allowed_contexts=_told(CONTEXTS_VARIABLE, environ, "allowed_contexts", configuration.get("allowed_contexts")),
        max_nodes=configuration.get("max_nodes", MAX_NODES),
        infrastructure=str(configuration.get("infrastructure") or environ.get("CHAOSLIB_CP_INFRASTRUCTURE") or "none"),
        observe_s=configuration.get("observe_s"),
        observe_periods_s=configuration.get("observe_periods_s"),
        observe_deadlines_s=configuration.get("observe_deadlines_s"),
        prober_pages=configuration.get("prober_pages"),
        agent_image=configuration.get("agent_image") or "",
        image_pull_secret=configuration.get("image_pull_secret") or "",
        run_dir=Path(str(run_dir)) if run_dir else None,
        source_of={**_read_beside(configuration, secrets, environ), **(source_of or {})},
    )


def _read_beside(
    configuration: Mapping[str, Any], secrets: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    """Keys whose value the configuration does not give, with the place that gives it."""
    variables = {"kubeconfig": "KUBECONFIG", **{context_key(one): context_variable(one) for one in IDENTITIES}}
    found = {}
    if secrets.get("KUBERNETES_CONTEXT"):
        found["runner_context"] = "KUBERNETES_CONTEXT of the secrets"
    elif environ.get("KUBERNETES_CONTEXT"):
        found["runner_context"] = "variable KUBERNETES_CONTEXT"
    found |= {key: f"variable {name}" for key, name in variables.items() if environ.get(name)}
    return {key: place for key, place in found.items() if not configuration.get(key)}


def _contexts(
    configuration: Mapping[str, Any], secrets: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, str]:
    named = {
        identity: configuration.get(context_key(identity)) or environ.get(context_variable(identity))
        for identity in IDENTITIES
    }
    named["runner"] = named["runner"] or secrets.get("KUBERNETES_CONTEXT") or environ.get("KUBERNETES_CONTEXT")
    return {identity: str(context) for identity, context in named.items() if context}


def _has_own_keys(secrets: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    has_host = secrets.get("KUBERNETES_HOST") or environ.get("KUBERNETES_HOST")
    return bool(has_host) or environ.get("CHAOSTOOLKIT_IN_POD") == "true"


def _told(variable: str, environ: Mapping[str, str], key: str, configured: Any) -> tuple[Told, ...]:
    """Each place that says something; empty text is what an experiment says when its own variable is not set."""
    places = (Told(f"configuration.{key}", configured), Told(variable, environ.get(variable)))
    return tuple(told for told in places if told.value is not None and told.value != "")
