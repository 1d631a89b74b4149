"""The telemetry agent: plays the load profile against the API server of the cluster it runs in, then idles.

It ends by itself, without the API: an absolute deadline turned into a monotonic one at start, a duration, budgets,
a watchdog in case the event loop hangs. A DaemonSet restarts whatever exits, so it does not exit: it
idles until SIGTERM, and a marker file in the pod's emptyDir makes a restarted container idle, too.
"""

import argparse
import asyncio
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.agent.tell import Teller
from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.engine.load.account import Account, account_of
from chaoslib_cp.engine.load.connection import Credentials, Target, connector
from chaoslib_cp.engine.load.process import loop_factory, raise_open_files_limit, tls_context
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.profile_file import read_profile
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.errors import ProfileInvalid

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MARKER = "load-started"
_STATUS_PERIOD_S = 10.0
# client-go reads the token file again after a minute (kubernetes/client-go: transport/token_source.go)
_TOKEN_PERIOD_S = 60.0
# a process whose event loop hangs is ended this long after the load's end
_WATCHDOG_GRACE_S = 5.0


@dataclass(frozen=True)
class _Plan:
    profile: LoadProfile
    target: Target
    token_file: Path
    agent_id: str
    node: str
    namespace: str


class _Signals:
    """SIGTERM, SIGINT or, if asked for, the end of stdin."""

    def __init__(self, loop: asyncio.AbstractEventLoop, with_stdin: bool) -> None:
        self.stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        self._loop = loop
        if with_stdin:
            self._watch_stdin()

    def _watch_stdin(self) -> None:
        try:
            self._loop.add_reader(0, self._read_stdin)
        except PermissionError:
            # /dev/null or a file: nobody holds the other end
            self.stop.set()

    def _read_stdin(self) -> None:
        if not os.read(0, 4096):
            self._loop.remove_reader(0)
            self.stop.set()


def main(arguments: list[str]) -> int:
    """Run the agent until SIGTERM; 0 also when it only idled.

    Raises:
        ProfileInvalid: profile, state folder, token or CA cannot be used. Nothing was sent.
    """
    options = _options(arguments)
    plan = None if _has_run_before(options.state) else _plan(options, os.environ)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(plan, SystemClock(), options.until_stdin_eof))
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaoslib_cp.agent load", description=__doc__)
    parser.add_argument("--profile", type=Path, required=True, help="file with the load profile, JSON or YAML")
    parser.add_argument("--state", type=Path, required=True, help="folder that outlives a restart of the container")
    parser.add_argument("--service-account", type=Path, default=SERVICE_ACCOUNT, help="folder with token and ca.crt")
    parser.add_argument("--until-stdin-eof", action="store_true", help="also end when stdin is closed")
    return parser.parse_args(arguments)


def _has_run_before(state: Path) -> bool:
    """Leave the marker; say whether it was there. Without a marker there is no load: a restart would repeat it."""
    try:
        with (state / MARKER).open("x"):
            return False
    except FileExistsError:
        return True
    except OSError as error:
        raise ProfileInvalid(f"state folder {state}: {error}; nothing was sent; mount an emptyDir there") from error


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


async def _run(plan: _Plan | None, clock: Clock, with_stdin: bool) -> None:
    signals = _Signals(asyncio.get_running_loop(), with_stdin)
    if plan is None:
        _say({"phase": "idle", "reason": "this container was restarted; the load runs once"})
    else:
        account = await _play(plan, clock, signals)
        _say({"phase": "idle", "reason": "the load is over", **account})
    await signals.stop.wait()


async def _play(plan: _Plan, clock: Clock, signals: _Signals) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    # a connection is given up by its request's own limit, never by the handshake's
    connect = connector(plan.target, loop, plan.profile.request_timeout_s + 1)
    runner = LoadRunner(plan.profile, plan.target.server_name, connect, clock, loop)
    place = {"node": plan.node, "namespace": plan.namespace, "pod": plan.agent_id}
    began = int(runner.add_agent(plan.agent_id, Credentials(token=_read_token(plan.token_file)), place))
    teller = Teller(plan.profile.report_to, lambda trouble: _say({"phase": "load", "account": trouble}))

    def account() -> Account:
        return account_of(plan.profile.fault, plan.node, runner.totals(), began, runner.running)

    # a C thread that needs no interpreter; an alarm would not do, PID 1 of a container ignores SIGALRM
    faulthandler.dump_traceback_later(runner.remaining_s + _WATCHDOG_GRACE_S, exit=True)
    # kept, since the loop itself holds only weak references to tasks
    chores = [
        loop.create_task(_report(runner)),
        loop.create_task(_renew_token(runner, plan)),
        loop.create_task(teller.keep_telling(account)),
    ]
    waits = [loop.create_task(runner.wait_until_over()), loop.create_task(signals.stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    runner.stop()
    for task in (*chores, *waits):
        task.cancel()
    faulthandler.cancel_dump_traceback_later()
    await teller.tell(account())
    return runner.snapshot()


async def _report(runner: LoadRunner) -> None:
    while True:
        await asyncio.sleep(_STATUS_PERIOD_S)
        _say({"phase": "load", **runner.snapshot()})


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
            runner.replace_token(plan.agent_id, token)


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ProfileInvalid(f"token {path}: {error}; nothing was sent; mount a ServiceAccount token") from error


def _say(line: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError:
        # a broken log must not change the load's end
        return
