"""``python -m chaoslib_cp.testbed.farm CONFIG.json``: runs the farm until SIGTERM and writes its status each second."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.channel import Connect
from chaoslib_cp.engine.load.connector import Target, connector
from chaoslib_cp.engine.load.process import loop_factory, offering, raise_open_files_limit, tls_context
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.errors import ControlPlaneError, TestbedFailed
from chaoslib_cp.testbed.api import ApiAccess
from chaoslib_cp.testbed.async_api import ApiSession, api_connect
from chaoslib_cp.testbed.farm.farm import Farm, FarmPlan

_STATUS_PERIOD_S = 1.0
# longer than any request timeout of a profile: a connection is given up by its request, never by the handshake
_HANDSHAKE_TIMEOUT_S = 121.0
_USAGE_ERROR = 2


@dataclass(frozen=True)
class FarmConfig:
    """The configuration file: where the API is, as whom, what to play, where to write the status."""

    access: ApiAccess
    plan: FarmPlan
    status_file: Path

    @classmethod
    def read(cls, path: Path) -> "FarmConfig":
        """Read it.

        Raises:
            TestbedFailed: it cannot be read, or a key is missing.
        """
        try:
            document = json.loads(path.read_text())
            api = document["api"]
            return cls(
                ApiAccess(
                    address=api["address"],
                    port=api["port"],
                    server_name=api["server_name"],
                    ca_file=Path(document["ca"]),
                    cert_file=Path(document["client_cert"]),
                    key_file=Path(document["client_key"]),
                ),
                FarmPlan(document["node_prefix"], tuple(document["images"]), document["source"]),
                Path(document["status_file"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TestbedFailed(f"agent farm: {path}: {error!r}; nothing was started; correct the file") from error


def main(arguments: list[str]) -> int:
    """Run the farm; 2 for wrong usage, 1 for an error of ours."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m chaoslib_cp.testbed.farm CONFIG.json\n")
        return _USAGE_ERROR
    try:
        config = FarmConfig.read(Path(arguments[0]))
        raise_open_files_limit()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run(config))
    except ControlPlaneError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


async def _run(config: FarmConfig) -> None:
    loop = asyncio.get_running_loop()
    access = config.access
    own_connect = api_connect(access, loop)

    def agent_connect(profile: LoadProfile) -> Connect:
        """Agents bring a token, so their connections carry no certificate."""
        tls = offering(tls_context(access.ca_file), profile)
        return connector(Target(access.address, access.port, access.server_name, tls), loop, _HANDSHAKE_TIMEOUT_S)

    farm = Farm(
        lambda: ApiSession(own_connect, access.server_name),
        agent_connect,
        access.server_name,
        config.plan,
        SystemClock(),
    )
    whole = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: whole and whole.cancel())
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as group:
            group.create_task(farm.run())
            group.create_task(_report(farm, config))


async def _report(farm: Farm, config: FarmConfig) -> None:
    while True:
        _write(config.status_file, farm.status())
        await asyncio.sleep(_STATUS_PERIOD_S)


def _write(path: Path, status: dict[str, Any]) -> None:
    """Replace the status file in one step, so that a reader never sees half of one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(status))
    os.replace(fresh, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
