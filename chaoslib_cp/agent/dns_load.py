"""The agent that looks names up, as many and as often as its profile says, once (``life.py``).

It asks whom workloads of its node ask: the first nameserver of its pod's resolv.conf, which is the node's cache where
there is one. Names outside of the cluster are never asked for (``engine/load/search_list.py``).
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.agent.life import Signals, has_run_before, live, parser_of, play_until_over
from chaoslib_cp.agent.resolv_conf import RESOLV_CONF, ResolvConf, read_resolv_conf
from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.engine.load.account import Account, account_of
from chaoslib_cp.engine.load.lookup_client import connector
from chaoslib_cp.engine.load.lookup_profile import LookupProfile, parse_lookup_profile
from chaoslib_cp.engine.load.lookups import LookupRunner
from chaoslib_cp.engine.load.process import raise_open_files_limit
from chaoslib_cp.engine.load.search_list import SearchList
from chaoslib_cp.errors import ProfileInvalid

_DNS_PORT: Final = 53


@dataclass(frozen=True)
class _Plan:
    profile: LookupProfile
    resolver: ResolvConf
    port: int
    node: str

    @property
    def search_list(self) -> SearchList:
        return SearchList(self.resolver.domain, self.resolver.search, self.resolver.ndots)


def main(arguments: list[str]) -> int:
    """Run the agent until SIGTERM; 0 also when it only idled.

    Raises:
        ProfileInvalid: Profile, state folder or resolv.conf cannot be used, or there is no way to the nameserver.
            Nothing was sent.
    """
    parser = parser_of("dns-load", __doc__)
    parser.add_argument("--resolv-conf", type=Path, default=RESOLV_CONF, help="whom to ask, and the search list")
    parser.add_argument("--port", type=int, default=_DNS_PORT, help="the nameserver's port")
    options = parser.parse_args(arguments)
    if has_run_before(options.state):
        live(None, options.until_stdin_eof)
    else:
        plan = _plan(options.profile, options.resolv_conf, options.port, os.environ)
        live(lambda signals: _play(plan, SystemClock(), signals), options.until_stdin_eof)
    return 0


def _plan(profile: Path, resolv_conf: Path, port: int, environment: Mapping[str, str]) -> _Plan:
    raise_open_files_limit()
    resolver = read_resolv_conf(resolv_conf.read_text(encoding="utf-8"))
    if not resolver.domain:
        raise ProfileInvalid(
            f"{resolv_conf} has no search list of a cluster; nothing was sent; give the pod dnsPolicy ClusterFirst"
        )
    node = environment.get("NODE_NAME") or environment.get("HOSTNAME", "agent")
    return _Plan(_read_profile(profile), resolver, port, node)


def _read_profile(path: Path) -> LookupProfile:
    try:
        return parse_lookup_profile(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise ProfileInvalid(f"lookup profile {path}: {error}; nothing was sent; correct the file") from error


async def _play(plan: _Plan, clock: Clock, signals: Signals) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    nameserver = plan.resolver.nameservers[0]
    connect = connector(nameserver, plan.port, loop)
    runner = LookupRunner(plan.profile, plan.node, plan.search_list, connect, clock, loop)
    try:
        await runner.start()
    except OSError as error:
        raise ProfileInvalid(
            f"nameserver {nameserver}: {error}; nothing was sent; look at the pod's resolv.conf"
        ) from error

    def account() -> Account:
        return account_of(plan.profile.fault, plan.node, runner.totals(), 1, int(runner.is_running))

    return await play_until_over(runner, plan.profile.report_to, account, signals)
