"""In which FlowSchema a load waits: seats are counted by its name, which the load itself may not read."""

from contextlib import suppress
from typing import Final

from chaoslib_cp.apiserver.overload.refusals import open_agent, standing_for
from chaoslib_cp.apiserver.price.ask import PriceAsk
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.flow import flow_names, flow_of
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import Settings

_CALL_S: Final = 5.0


def flow_schema_of(asked: PriceAsk, settings: Settings) -> str:
    """Its name, by the word of the administrator; empty where there is none, or he may not list them."""
    with suppress(ControlPlaneError):
        with open_cluster(settings, "admin") as admin:
            names = flow_names(admin, _CALL_S)
        with open_agent(settings, asked.context) as agent:
            with standing_for(agent, asked.impersonate, asked.namespace) as first:
                schema = flow_of(first, names, _CALL_S).flow_schema
            return schema if schema in names.schemas.values() else ""
    return ""
