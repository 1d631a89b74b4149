"""What lists of 2,000 pods cost who asks and who answers: this engine side by side with the official Python client."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.engine.load.profile import HTTP_1, HTTP_2
from tests.bench import page, runs

SPEC = {
    "api_server_cpu_cores": 1.0,
    "fake_nodes": 200,
    "pods_per_fake_node": 10,
    "kubelet_nodes": 1,
    "api_server_memory_mib": 8192,
}
CLIENTS = 4
_LAST_LIST_S = 30.0


@dataclass(frozen=True)
class Case:
    """One kind of list: the request by a load profile's keys, how many, and how many a second."""

    name: str
    request: dict[str, Any]
    lists: int
    rate_per_s: float
    protocol: str = HTTP_1


# Rates that the API server keeps up with at 1 core, so that what is offered is answered.
CASES = (
    Case("identity", {"pattern": "list-pods-from-cache"}, 60, 2.0),
    Case("gzip", {"path": "/api/v1/pods", "query": {"resourceVersion": "0"}, "gzip": True}, 60, 1.5),
    Case("identity, HTTP/2", {"pattern": "list-pods-from-cache"}, 60, 2.0, HTTP_2),
    Case("gzip, HTTP/2", {"path": "/api/v1/pods", "query": {"resourceVersion": "0"}, "gzip": True}, 60, 1.5, HTTP_2),
    Case("YAML", {"pattern": "list-pods-yaml"}, 12, 0.2),
    Case("Table", {"pattern": "list-pods-table"}, 40, 2.0),
)


def measure() -> None:
    """Play each kind of list on one testbed, then the yardstick."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = folder / "one-core.yaml"
        spec.write_text(json.dumps(SPEC))
        with runs.testbed(str(spec)):
            rows = [_row(case.name, case.lists, _play(case, folder)) for case in CASES]
            rows.append(_row("identity, `kubernetes` for Python", CASES[0].lists, _yardstick()))
    head = ["lists as", "lists", "ok", "held back", "MB", "client CPU s", "ms/MB", "server CPU s"]
    body = (
        f"Lists of 2,000 pods, one kind after the other on one testbed with an API server at 1 core. MB are those on "
        "the wire. The client's CPU is that of its whole process while it asks: nothing is decompressed or decoded. "
        f"{CLIENTS} virtual nodes ask on a schedule; held back is what came due while one had 4 lists under way: "
        f"where it is 0, what was offered was asked for. The last row asks as fast as {CLIENTS} threads are "
        "answered.\n\n" + page.table([*head, "amplification"], rows)
    )
    page.write_section("client-cpu", "What lists cost who asks and who answers", body)


def _play(case: Case, folder: Path) -> dict[str, Any]:
    profile = {
        "schema": 1,
        "protocol": case.protocol,
        "requests": [{**case.request, "period_s": CLIENTS / case.rate_per_s}],
        "request_timeout_s": 60.0,
        "max_requests": case.lists // CLIENTS,
    }
    file = folder / "profile.json"
    file.write_text(json.dumps(profile))
    # it ends when the last list is there
    duration_s = case.lists / case.rate_per_s + _LAST_LIST_S
    words = [
        *runs.CHAOS,
        "cp",
        "load",
        str(file),
        "--nodes",
        str(CLIENTS),
        "--duration-s",
        str(duration_s),
        "--json",
    ]
    told: dict[str, Any] = json.loads(_exec(words))
    return {**told, "ok": told["outcomes"].get("ok", 0)}


def _yardstick() -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.bench.list_client", str(CASES[0].lists), str(CLIENTS)]
    told: dict[str, Any] = json.loads(_exec(words))
    return told


def _exec(words: list[str]) -> str:
    command = [*runs.CHAOS, "cp", "exec", "--name", runs.NAME, "--", *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=runs.ROOT).stdout


def _row(name: str, lists: int, told: dict[str, Any]) -> list[object]:
    received_mb, client_s, server_s = told["received_bytes"] / 1e6, told["client_cpu_s"], told["server_cpu_s"]
    return [
        name,
        lists,
        told["ok"],
        told.get("held_back", ""),
        f"{received_mb:.0f}",
        f"{client_s:.2f}",
        f"{1000 * client_s / received_mb:.1f}",
        f"{server_s:.1f}",
        f"{server_s / client_s:.1f}",
    ]
