"""The queues: in which FlowSchema and priority level do the requests of each identity wait, and with whom?"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from chaoslib_cp.check.finding import Finding, refusal
from chaoslib_cp.check.scene import CALL_S, NotKnown, Scene
from chaoslib_cp.cluster.door.flow import UNNAMED, Flow, FlowNames, flow_names, flow_of, flow_warnings
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import IDENTITIES


def flows(scene: Scene) -> Iterator[Finding]:
    """Is break-glass exempt, and has everybody else a flow of his own?"""
    names = _names(scene)
    known: dict[str, Flow] = {}
    for identity in IDENTITIES:
        with suppress(ControlPlaneError):  # told by the check of identities
            known[identity] = flow_of(scene.callers[identity].get().cluster, names, CALL_S)
    if not known:
        raise NotKnown("no identity can be asked")
    for identity, flow in known.items():
        if flow.flow_schema:
            says = f"FlowSchema {flow.flow_schema}, priority level {flow.priority_level}"
            yield Finding("ok", identity, says)
    glass = known.get("break-glass")
    grave = flow_warnings({"break-glass": glass}) if glass and glass.flow_schema else []
    for words in flow_warnings(known):
        yield replace(refusal(ControlPlaneError(words), "queues"), level="wrong" if words in grave else "warning")


def _names(scene: Scene) -> FlowNames:
    """Names, from whoever may list them; the runner may not."""
    for identity in ("admin", "break-glass"):
        with suppress(ControlPlaneError):
            return flow_names(scene.callers[identity].get().cluster, CALL_S)
    return UNNAMED
