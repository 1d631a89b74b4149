"""The telemetry agent: plays the load profile against the API server of the cluster it runs in, once (``life.py``)."""

import argparse
import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.agent.life import Signals, has_run_before, live, parser_of, play_until_over
from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.engine.load.account import Account, account_of
from chaoslib_cp.engine.load.connection import Credentials, Target, connector
from chaoslib_cp.engine.load.process import raise_open_files_limit, tls_context
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
    agent_id: str
    node: str
    namespace: str


def main(arguments: list[str]) -> int:
    """Run the agent until SIGTERM; 0 also when it only idled.

    Raises:
        ProfileInvalid: profile, state folder, token or CA cannot be used. Nothing was sent.
    """
    parser = parser_of("load", __doc__)
    parser.add_argument("--service-account", type=Path, default=SERVICE_ACCOUNT, help="folder with token and ca.crt")
    options = parser.parse_args(arguments)
    if has_run_before(options.state):
        live(None, options.until_stdin_eof)
    else:
        plan = _plan(options, os.environ)
        live(lambda signals: _play(plan, SystemClock(), signals), options.until_stdin_eof)
    return 0


def _plan(options: argparse.Namespace, environment: Mapping[str, str]) -> _Plan:
    raise_open_files_limit()
    host = environment.get("KUBERNETES_SERVICE_HOST", "")
    port = environment.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port.isdecimal():
        raise ProfileInvalid("KUBERNETES_SERVICE_HOST and _PORT are not set; nothing was sent; run this in a pod")
    return _Plan(
        profile=read_profile(options.profile),
        target=Target(host, int(port), host, tls_context(options.service_account / "ca.crt")),
        token_file=options.service_account / "token",
        agent_id=environment.get("HOSTNAME", "agent"),
        node=environment.get("NODE_NAME") or environment.get("HOSTNAME", "agent"),
        namespace=_read_namespace(options.service_account / "namespace"),
    )


def _read_namespace(path: Path) -> str:
    """What the kubelet says beside the token; a profile that does not ask for the pod's own objects can do without."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


async def _play(plan: _Plan, clock: Clock, signals: Signals) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    # a connection is given up by its request's own limit, never by the handshake's
    connect = connector(plan.target, loop, plan.profile.request_timeout_s + 1)
    runner = LoadRunner(plan.profile, plan.target.server_name, connect, clock, loop)
    place = {"node": plan.node, "namespace": plan.namespace, "pod": plan.agent_id}
    began = int(runner.add_agent(plan.agent_id, Credentials(token=_read_token(plan.token_file)), place))

    def account() -> Account:
        return account_of(plan.profile.fault, plan.node, runner.totals(), began, runner.running)

    renewing = loop.create_task(_renew_token(runner, plan))
    try:
        return await play_until_over(runner, plan.profile.report_to, account, signals)
    finally:
        renewing.cancel()


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
            runner.replace_credentials(plan.agent_id, Credentials(token=token))


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ProfileInvalid(f"token {path}: {error}; nothing was sent; mount a ServiceAccount token") from error
