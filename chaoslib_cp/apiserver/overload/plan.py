"""What the process that plays the load is told: one line of JSON on its stdin, without a secret in it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from chaoslib_cp.errors import ProfileInvalid


@dataclass(frozen=True)
class OverloadPlan:
    """Orders of one load.

    Attributes:
        kubeconfig: Path of the kubeconfig.
        context: Its context: as whom is asked.
        addresses: The API servers' addresses as ``ip:port``; connections go to them in turn.
        profile: The load profile, as ``LoadProfile.as_dict`` has it.
        nodes: How many virtual nodes play it.
        impersonate: Scheme by which each virtual node stands for somebody of its own, see ``nodes.py``; empty for none.
        namespace: Of the ServiceAccounts that are stood for.
        result: File that its progress and result are appended to, one JSON object a line.
        timeline: Folder of the run, whose timeline gets its account; empty for none.
        epoch_offset_s: Epoch minus monotonic time as that timeline counts it; None reads it anew.
        ladder: How the load climbs, as ``Ladder.as_dict`` has it; empty where it is there in full from the begin on.
        servers: Where each API server listens (``ip:port``), for what a ladder reads of them.
        flow_schema: UID of the FlowSchema of its requests; empty where the server has none.
        observers: Context of each identity as which they may be read, by its name, the best first.
    """

    kubeconfig: str
    context: str
    addresses: tuple[str, ...]
    profile: Mapping[str, Any]
    nodes: int
    impersonate: str
    namespace: str
    result: str
    timeline: str = ""
    epoch_offset_s: float | None = None
    ladder: Mapping[str, Any] = field(default_factory=dict)
    servers: tuple[str, ...] = ()
    flow_schema: str = ""
    observers: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def parse_plan(line: bytes) -> OverloadPlan:
    """Read a plan.

    Raises:
        ProfileInvalid: It is none.
    """
    try:
        document = json.loads(line)
        lists = {key: tuple(document.get(key) or ()) for key in ("addresses", "servers")}
        return OverloadPlan(**{**document, **lists})
    except (ValueError, TypeError, KeyError) as error:
        known = ", ".join(one.name for one in fields(OverloadPlan))
        raise ProfileInvalid(
            f"the first line on stdin is no plan of a load ({error}); nothing was sent; its keys are {known}"
        ) from error
