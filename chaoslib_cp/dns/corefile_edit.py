"""Editing the Corefile of DNS servers: on record before it is made, and handed on by their kubelets at once."""

from chaoslib_cp.cluster.injection import Injection
from chaoslib_cp.cluster.undo.edit import Edit
from chaoslib_cp.cluster.undo.kinds.observe_only import observed
from chaoslib_cp.dns.armed import ANNOTATION, touch_pods
from chaoslib_cp.dns.corefile_source import CorefileSource


def edit_corefile(
    injection: Injection,
    source: CorefileSource,
    text: str,
    revision: str,
    touches: bool,
    ends_at_epoch_s: float | None = None,
) -> None:
    """Put another Corefile into the ConfigMap that servers read.

    Args:
        injection: The fault that this is.
        source: Whose Corefile.
        text: The new one.
        revision: What it says of itself.
        touches: Annotate the pods, so that their kubelets hand it on at once.
        ends_at_epoch_s: When the fault is over by itself, seconds since 1970; None where it is not.

    Raises:
        TargetRefused: Somebody edits it at this moment, or a right is missing: nothing was changed. Or the pods could
            not be annotated: the Corefile is edited, and on record.
        CallFailed: The API does not answer; likewise.
        UndoFailed: It cannot be put on record; nothing was changed.
    """
    path = ("data", source.key)
    injection.edit(Edit("ConfigMap", source.namespace, source.config_map, {path: text}, ends_at_epoch_s))
    if touches:
        names = ", ".join(server.name for server in source.servers)
        words = f"annotation {ANNOTATION} of pods {source.namespace}/{names}"
        number = injection.log.intend(observed(injection.fault, words))
        touch_pods(injection.cluster, source, revision)
        injection.log.done(number, "nothing to undo: the annotation means nothing, and goes with the pods")
