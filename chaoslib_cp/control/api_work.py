"""What the API servers did for whom, put on record twice: when a run begins and when it ends.

Kubernetes tells requests and seconds of execution for each FlowSchema, and CPU time only for a server as a whole; so
the share of one client in the CPU is nowhere to be read. A page is read once for each server at both ends (about 0.15 s
of its CPU each). A run goes on without.
"""

import logging
from typing import Any, Final

from chaoslib_cp.apiserver.saturated.servers import servers_to_ask
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.flow import flow_names, flow_of
from chaoslib_cp.cluster.door.metrics import read_metrics
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.fault import API_FLOWS, API_WORK
from chaoslib_cp.settings import Settings

logger = logging.getLogger("chaostoolkit")

_TIMEOUT_S: Final = 5.0
_FLOW: Final = "apiserver_flowcontrol_"
_DISPATCHED: Final = f"{_FLOW}dispatched_requests_total"
_REJECTED: Final = f"{_FLOW}rejected_requests_total"
_EXECUTION: Final = f"{_FLOW}request_execution_seconds_sum"
_SEATS: Final = f"{_FLOW}work_estimated_seats_sum"
_STARTED: Final = "process_start_time_seconds"
_CPU: Final = "process_cpu_seconds_total"
_BY_FLOW: Final = (_DISPATCHED, _REJECTED, _EXECUTION, _SEATS)
_LINES: Final = (*_BY_FLOW, _STARTED, _CPU)
_LABELS: Final = ("flow_schema", "priority_level")


def tell_api_work(teller: Teller, settings: Settings, clock: Clock) -> None:
    """Write one ``api_work`` event for each API server, or one that says why there is none.

    Args:
        teller: Writes it.
        settings: What the run was told; the observer reads.
        clock: Source of time.
    """
    try:
        with open_cluster(settings, "observer") as cluster:
            for server in servers_to_ask(settings, cluster.addresses[:1], clock).addresses:
                page = read_metrics(cluster, server, _LINES, _TIMEOUT_S)
                counts = [page.sums(name, *_LABELS) for name in _BY_FLOW]
                flows = [
                    [*flow, *(round(one.get(flow, 0.0), 3) for one in counts)]
                    for flow in sorted({key for one in counts for key, value in one.items() if value})
                ]
                started_s, cpu_s = page.value(_STARTED), page.value(_CPU)
                teller.tell(API_WORK, server=server, started_s=started_s, cpu_s=cpu_s, flows=flows)
    except ControlPlaneError as error:
        logger.debug("What the API servers did for whom is not recorded: %s", error)
        teller.tell(API_WORK, unknown=str(error)[:400])


def tell_flows(teller: Teller, settings: Settings) -> None:
    """Write one ``api_flows`` event: names of the FlowSchemas, as the administrator, and the observer's own."""
    told: dict[str, Any] = {"schemas": {}, "observer": ""}
    try:
        with open_cluster(settings, "admin") as cluster:
            told["schemas"] = dict(flow_names(cluster, _TIMEOUT_S).schemas)
        with open_cluster(settings, "observer") as cluster:
            told["observer"] = flow_of(cluster, timeout_s=_TIMEOUT_S).flow_schema
    except ControlPlaneError as error:
        told["unknown"] = str(error)[:400]
    teller.tell(API_FLOWS, **told)
