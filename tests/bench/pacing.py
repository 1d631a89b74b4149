"""What the process of an overload costs by itself, and how well it keeps time: against a small server on loopback."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaoslib_cp.apiserver.overload.plan import OverloadPlan
from chaoslib_cp.apiserver.overload.session import LoadFiles, end_process, start_process
from chaoslib_cp.apiserver.overload.summary import least_share_on_time
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.profile import HTTP_1, HTTP_2, parse_profile
from tests.bench import page
from tests.bench.peer import BEHAVIOURS
from tests.fakes.certificates import Authority

NODES, PERIOD_S = 5000, 60.0
PACED_S = 62.0
RATES = (10, 100, 1000, 5000)
"""Requests a second."""
RATED_S = 6.0
EACH = "quick, a connection for each"
OVER_TLS = (("quick", 1000, 100, 0.1), ("quick", 5000, 500, 0.1), (EACH, 100, 100, 1.0), (EACH, 400, 400, 1.0))
"""Behaviour, requests a second, virtual nodes, period in seconds."""
NODES_AND_PERIODS = {10: (10, 1.0), 100: (100, 1.0), 1000: (500, 0.5), 5000: (1000, 0.2)}
"""How a rate is made over plain HTTP: virtual nodes, and the period of each in seconds."""


def measure() -> None:
    """Play 5,000 virtual nodes with each connection policy, then each rate against each behaviour."""
    with tempfile.TemporaryDirectory() as folder:
        body = f"{_paced(Path(folder))}\n\n{_rated(Path(folder))}"
    page.write_section("pacing", "What the process of an overload costs, and how well it keeps time", body)


def _paced(folder: Path) -> str:
    rows = []
    for connections, behaviour, protocol in (
        ("one for each request", EACH, HTTP_1),
        ("kept", "quick", HTTP_1),
        ("kept, HTTP/2", "quick", HTTP_2),
    ):
        with peer(behaviour, folder, with_tls=True) as port:
            over, start_s = play(folder, port, NODES, PERIOD_S, PACED_S, with_tls=True, protocol=protocol)
        tries = over["total"]["tries"]
        rows.append(
            [
                connections,
                f"{start_s:.2f} s",
                f"{over['cpu_s'] / over['elapsed_s']:.3f}",
                f"{1e6 * over['cpu_s'] / tries:.0f}",
                f"{over['peak_rss_bytes'] / 1e6:.0f} MB",
                tries,
                over["total"]["outcomes"].get("ok", 0),
                f"{1000 * over['total']['lag']['p99_s']:.1f} ms",
            ]
        )
    head = [
        "connections",
        "ready after",
        "cores",
        "µs of CPU a request",
        "peak RSS",
        "requests",
        "ok",
        "begun late, p99",
    ]
    return (
        f"{NODES:,} virtual nodes with a period of {PERIOD_S:g} s in one process, {PACED_S:g} s, TLS, small answers. "
        "Cores are those of the whole process: pacing, TLS handshakes, reading answers.\n\n" + page.table(head, rows)
    )


def _rated(folder: Path) -> str:
    plain = [(behaviour, rate, *NODES_AND_PERIODS[rate]) for behaviour in BEHAVIOURS for rate in RATES]
    rows = [_rated_row(folder, *how) for how in plain]
    over_tls = [_rated_row(folder, *how, with_tls=True) for how in OVER_TLS]
    head = ["server", "asked /s", "begun /s, median second", "late in the worst second", "overshoot", "held back"]
    head += ["late, p99", "cores"]
    return (
        f"{RATED_S:g} s each, plain HTTP. Late is what was meant for a second and had not begun by its end. Held back "
        "is what came due while its virtual node had as many requests in flight as its profile allows (4).\n\n"
        f"{page.table(head, rows)}\n\n"
        "The same over TLS, one request in flight for each virtual node, so that those of the first second wait for "
        "its handshake and are held back. A handshake costs a millisecond of CPU on each side, so on 2 cores a new "
        "connection for each request is no way to 5,000/s; kept ones are.\n\n" + page.table(head, over_tls)
    )


def _rated_row(
    folder: Path, behaviour: str, rate: int, nodes: int, period_s: float, with_tls: bool = False
) -> list[object]:
    with peer(behaviour, folder, with_tls) as port:
        # Over TLS one connection for each node: while hundreds shake hands, every node would open three more.
        over, _ = play(folder, port, nodes, period_s, RATED_S, with_tls, in_flight=1 if with_tls else 4)
    total = over["total"]
    worst = least_share_on_time(over["per_second"]) or 0.0
    return [
        behaviour,
        rate,
        f"{statistics.median(over['per_second']['begun'][1:5] or [0]):.0f}",
        f"{100 * min(1 - worst, 1.0):.2f} %",
        total["tries"] - total["retries"] + total["held_back"] - total["due"],
        total["held_back"],
        f"{1000 * total['lag']['p99_s']:.1f} ms",
        f"{over['cpu_s'] / over['elapsed_s']:.2f}",
    ]


def play(
    folder: Path,
    port: int,
    nodes: int,
    period_s: float,
    duration_s: float,
    with_tls: bool = False,
    in_flight: int = 3,
    protocol: str = HTTP_1,
) -> tuple[dict[str, Any], float]:
    """Play one load; returns its result, and the seconds until its process was ready."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(folder, port, with_tls)))
    profile = {
        "schema": 1,
        "protocol": protocol,
        "requests": [{"path": "/api/v1/pods", "period_s": period_s}],
        "duration_s": duration_s,
        "request_timeout_s": 5.0,
        "max_in_flight_per_agent": in_flight,
        "max_requests": 1_000_000,
    }
    files = LoadFiles(folder / "result.jsonl", folder / "load.log")
    files.result.unlink(missing_ok=True)
    plan = OverloadPlan(
        str(kubeconfig),
        "agent",
        (f"127.0.0.1:{port}",),
        parse_profile(profile).as_dict(),
        nodes,
        "",
        "",
        str(files.result),
    )
    clock, began_s = SystemClock(), time.monotonic()
    child = start_process(plan, files)
    ready_s = time.monotonic() - began_s
    child.tell({"deadline_epoch_s": clock.epoch_s() + duration_s})
    while child.running:
        time.sleep(0.1)
    end_process(files)
    over = files.over()
    assert over, files.log.read_text()
    return over, ready_s


def _kubeconfig(folder: Path, port: int, with_tls: bool) -> dict[str, Any]:
    server = {"server": f"http{'s' if with_tls else ''}://127.0.0.1:{port}"}
    if with_tls:
        server["certificate-authority"] = str(folder / "test-ca.pem")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "peer", "cluster": server}],
        "contexts": [{"name": "agent", "context": {"cluster": "peer", "user": "agent"}}],
        "users": [{"name": "agent", "user": {"token": "bench"}}],
    }


@contextlib.contextmanager
def peer(behaviour: str, folder: Path, with_tls: bool = False) -> Iterator[int]:
    """Run the server; gives its port."""
    files = Authority(folder).issue("peer") if with_tls else None
    words = [sys.executable, "-m", "tests.bench.peer", behaviour]
    words += [str(files.cert), str(files.key)] if files else []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=page.ROOT, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
