"""CPU time of the API servers and of the agents, put on record where the infrastructure driver can read it."""

import logging

from chaoslib_cp.control.telling import Teller
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.infrastructure import open_driver
from chaoslib_cp.settings import Settings

logger = logging.getLogger("chaostoolkit")

TIMEOUT_S = 5.0


def tell_cpu(teller: Teller, settings: Settings) -> None:
    """Write one ``api_cpu`` event with running totals; a run goes on without, and amplification is then null."""
    try:
        used = open_driver(settings).cpu_seconds(TIMEOUT_S)
    except ControlPlaneError as error:
        logger.debug("CPU time of the API servers is not recorded: %s", error)
        return
    if used is not None:
        teller.tell("api_cpu", server_cpu_s=used.api_servers_s, client_cpu_s=used.agents_s)
