"""The telemetry agent: plays the load profile against the API server of the cluster it runs in, once (``life.py``).

It stands for its own pod, or plays a share of virtual nodes (``share.py``).
"""

import argparse
import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.agent.life import Signals, has_run_before, live, parser_of, play_until_over, say
from chaoslib_cp.agent.share import Share, share_of
from chaoslib_cp.agent.told_results import ToldResult
from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.engine.load.account import Account, account_of
from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.connector import Target, connector
from chaoslib_cp.engine.load.process import offering, require_open_files, tls_context
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.profile_file import read_profile
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.errors import ProfileInvalid

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# client-go reads the token file again after a minute (kubernetes/client-go: transport/token_source.go)
_TOKEN_PERIOD_S = 60.0


@dataclass(frozen=True)
class _Plan:
    profile: LoadProfile
    target: Target
    token_file: Path
    share: Share


def main(arguments: list[str]) -> int:
    """Run the agent until SIGTERM, or of a share until its end; 0 also when it only idled.

    Raises:
        ProfileInvalid: profile, state folder, token or CA cannot be used, or too few open files are allowed. Nothing
            was sent.
    """
    parser = parser_of("load", __doc__)
    parser.add_argument("--service-account", type=Path, default=SERVICE_ACCOUNT, help="folder with token and ca.crt")
    parser.add_argument("--virtual-nodes", type=int, default=0, help="play so many of them and exit, in a pod of a Job")
    parser.add_argument("--begins-epoch-s", type=float, default=0.0, help="wait for this moment, seconds since 1970")
    options = parser.parse_args(arguments)
    idles = not options.virtual_nodes
    if has_run_before(options.state):
        live(None, options.until_stdin_eof, idles)
    else:
        plan = _plan(options, os.environ)
        live(lambda signals: _play(plan, SystemClock(), signals), options.until_stdin_eof, idles)
    return 0


def _plan(options: argparse.Namespace, environment: Mapping[str, str]) -> _Plan:
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port.isdecimal():
        raise ProfileInvalid("KUBERNETES_SERVICE_HOST and _PORT are not set; nothing was sent; run this in a pod")
    namespace = _read_namespace(options.service_account / "namespace")
    share = share_of(options.virtual_nodes, options.begins_epoch_s, namespace, environment)
    profile = read_profile(options.profile)
    require_open_files(profile, len(share.places))
    return _Plan(
        profile=profile,
        target=Target(host, int(port), host, offering(tls_context(options.service_account / "ca.crt"), profile)),
        token_file=options.service_account / "token",
        share=share,
    )


def _read_namespace(path: Path) -> str:
    """What the kubelet says beside the token; a profile that does not ask for the pod's own objects can do without."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


async def _play(plan: _Plan, clock: Clock, signals: Signals) -> dict[str, Any]:
    loop, share = asyncio.get_running_loop(), plan.share
    may_begin = await _wait_for_begin(share, clock, signals)
    # a connection is given up by its request's own limit, never by the handshake's
    connect = connector(plan.target, loop, plan.profile.request_timeout_s + 1)
    runner = LoadRunner(plan.profile, plan.target.server_name, connect, clock, loop)
    began = 0
    if may_begin:
        credentials = Credentials(token=_read_token(plan.token_file))
        began = runner.add_agents(dict.fromkeys(share.places, credentials), share.places)

    def account() -> Account:
        told = account_of(plan.profile.fault, share.source, runner.totals(), began, runner.running)
        return told.wanting(len(share.places)).costing(runner.cpu_s) if share.is_part else told

    def result() -> ToldResult:
        reason = "stopped" if signals.stop.is_set() else "at its own end"
        return ToldResult(plan.profile.fault, share.source, runner.result(reason, began).packed())

    renewing = loop.create_task(_renew_token(runner, plan))
    try:
        return await play_until_over(
            runner, plan.profile.report_to, account, signals, result if share.is_part else None
        )
    finally:
        renewing.cancel()


async def _wait_for_begin(share: Share, clock: Clock, signals: Signals) -> bool:
    """Wait until all processes begin; returns whether this one may."""
    wait_s = share.wait_s(clock.epoch_s())
    if wait_s:
        say({"phase": "waiting", "reason": f"all pods begin in {wait_s:.1f} s"})
        with suppress(TimeoutError):
            await asyncio.wait_for(signals.stop.wait(), wait_s)
    return wait_s is not None and not signals.stop.is_set()


async def _renew_token(runner: LoadRunner, plan: _Plan) -> None:
    token = _read_token(plan.token_file)
    while True:
        await asyncio.sleep(_TOKEN_PERIOD_S)
        try:
            renewed = _read_token(plan.token_file)
        except ProfileInvalid:
            continue  # the last token is the best there is
        if renewed != token:
            token = renewed
            for agent in plan.share.places:
                runner.replace_credentials(agent, Credentials(token=token))


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ProfileInvalid(f"token {path}: {error}; nothing was sent; mount a ServiceAccount token") from error
