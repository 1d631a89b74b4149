"""`chaos cp price`: what it prints, how it judges, what it writes, and what it refuses."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from chaoslib_cp.cli.price import describe
from chaoslib_cp.cluster.undo.recover import open_logs
from tests.fakes.api_server import Answer, Request, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.audit import AGENT, line, text
from tests.scaffold.profiles import OVERLOAD

PODS = "/api/v1/pods"
CPU_OF_A_LIST_S = 0.02


@pytest.fixture
def profile(kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile in a file, and a cluster that the environment names, whose lists cost it CPU, memory and seats."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(OVERLOAD))
    pods = {"metadata": {"remainingItemCount": 99}, "items": [{}]}
    kube.server.on("GET", PODS, json_answer(pods))
    kube.server.on("GET", "/metrics", lambda _: metrics(kube))
    return path


def lists(kube: KubeObjects) -> list[Request]:
    """Requests of the loads so far."""
    return [one for one in kube.server.requests if (one.method, one.path) == ("GET", PODS) and "limit" not in one.query]


def metrics(kube: KubeObjects) -> Answer:
    """What the server has used by now, for nothing but lists."""
    count = len(lists(kube))
    seats = "apiserver_flowcontrol_work_estimated_seats"
    labels = '{flow_schema="service-accounts",priority_level="workload-low"}'
    page = (
        f"process_cpu_seconds_total {50 + CPU_OF_A_LIST_S * count}\nprocess_start_time_seconds 7\n"
        f"process_resident_memory_bytes {1e9 + 1e6 * count}\ngo_memstats_alloc_bytes_total {1e9 + 3e6 * count}\n"
        f"{seats}_sum{labels} {7 * count}\n{seats}_count{labels} {count}\n"
    )
    return Answer(body=page.encode())


def price(*arguments: str) -> tuple[int, str, str]:
    """Run it; returns exit code, standard output and standard error."""
    result = CliRunner().invoke(cp, ["price", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_request_is_priced_and_judged(kube: KubeObjects, profile: Path, tmp_path: Path) -> None:
    """By one small load of a second, as typed in CI: what it costs both sides, and a verdict in JUnit XML."""
    junit = tmp_path / "price.xml"
    limit = ("--max-cpu-s-per-request", "0.001")
    words = (str(profile), "--rung-s", "1", "--load-cores", "0.2", "--no-fit", *limit, "--junit", str(junit), "--json")
    exit_code, stdout, stderr = price(*words)
    told = json.loads(stdout)
    each, [rung] = told["per_request"], told["rungs"]
    # what is under way when a load ends has arrived at the server or not
    assert rung["cpu_s"] == pytest.approx(CPU_OF_A_LIST_S * len(lists(kube)), abs=2.5 * CPU_OF_A_LIST_S)
    assert each["cpu_s"] == pytest.approx(rung["cpu_s"] / rung["requests"])
    assert each["allocated_bytes"] == pytest.approx(each["cpu_s"] * 3e6 / CPU_OF_A_LIST_S)
    assert told["amplification"] > 0
    assert told["fit_unknown"] == "one load was asked for"
    assert [one["verdict"] for one in told["budget"]] == ["over"]
    assert (exit_code, "Budget: server CPU for one request is over: 0.0" in stderr) == (1, True)
    root = Xml.fromstring(junit.read_text())  # noqa: S314 - our own file
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "0")
    [failure] = root.iter("failure")
    assert str(failure.get("message")).endswith(" s, allowed are 0.001 s")
    assert kube.writes() == [], "it makes nothing in the cluster"
    assert open_logs() == []
    assert max(map(len, describe(told).splitlines())) <= 200


FITTED: dict[str, Any] = {
    "profile": "pod-lists",
    "rate_per_s": 0.0667,
    "cluster_nodes": 42,
    "idle_cores": 0.0812,
    "rungs": [
        {"nodes": 12.0, "objects_per_request": 400.0, "requests": 12, "cores": 0.031},
        {"nodes": 24.0, "objects_per_request": 100.0, "requests": 24, "cores": 0.017},
    ],
    "stopped": "",
    "per_request": {"cpu_s": 0.04, "bytes": 220_000, "client_cpu_s": 0.003, "seats": None, "allocated_bytes": None},
    "amplification": 13.3,
    "rss_growth_bytes": 3e6,
    "fit": {
        "exponent": {"value": 0.98, "low": 0.9, "high": 1.06},
        "fixed_s": {"value": 0.0079, "low": -0.001, "high": 0.0168},
        "per_object_s": {"value": 1.27e-4, "low": 1e-4, "high": 1.54e-4},
        "confidence": 0.95,
        "points": 5,
    },
    "fit_unknown": "",
    "prediction": {"nodes": 5000, "objects_factor": 119.05, "cores": 1582.1, "low": 600.0, "high": 4171.0,
                   "cores_reached_at_nodes": 177},
    "budget": [{"name": "n", "verdict": "over", "words": "w"}],
    "log": {"nodes": 3, "seen": ["x"], "not_told": ["y"]},
}  # fmt: skip


def test_a_person_reads_a_line_for_each() -> None:
    """A prediction is said to be one, and what is not known is said to be so."""
    shown = describe(FITTED)
    assert "cores ~ (nodes x objects)^0.98, 95 % interval 0.90 to 1.06, 5 loads" in shown
    assert "7.9 ms (-1 to 16.8) and 127 us (100 to 154) for each object" in shown
    assert "1582 cores for 5000 nodes and 119 times the objects, 95 % interval 600 to 4171; not measured" in shown
    assert "allowed cores are reached at about 177 nodes" in shown
    assert "seats             not known for each request" in shown
    assert max(map(len, shown.splitlines())) <= 200
    alone = describe({**FITTED, "fit": {**FITTED["fit"], "fixed_s": None, "per_object_s": None}})
    assert "of different nodes alone: objects could not be varied" in alone
    unknown = describe({**FITTED, "fit": None, "fit_unknown": "2 of 5", "prediction": None, "stopped": "s"})
    assert "law               not known: 2 of 5" in unknown


def test_the_profile_of_an_agent_is_written_and_nothing_is_sent(kube: KubeObjects, tmp_path: Path) -> None:
    """For `chaos cp load`, or to correct what the log could not tell."""
    log, written = tmp_path / "audit.log", tmp_path / "agent.yaml"
    log.write_text(text(line(15.0 * number) for number in range(8)))
    exit_code, stdout, stderr = price(str(log), "--agent", AGENT, "--write-profile", str(written))
    assert (exit_code, stderr) == (0, "")
    assert "play it with 1 virtual nodes" in stdout
    assert "Accept and Accept-Encoding" in stdout
    assert max(map(len, stdout.splitlines())) <= 200
    assert "period_s: 15.0" in written.read_text()
    assert kube.server.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["LOG"], f"whose profile is not said; nothing was sent; add --agent: {AGENT} (2)"),
        (["LOG", "--agent", "nobody"], f"says nothing of agent 'nobody'; nothing was sent; in it are {AGENT} (2)"),
        (["PROFILE", "--agent", AGENT], "no line of it is of kind Event of audit.k8s.io/v1"),
        (["PROFILE", "--write-profile", "x.json"], "--write-profile writes what an audit log says"),
        (["LOG", "--agent", AGENT, "--write-profile", "none/x.json"], "none/x.json cannot be written"),
        (["none.json"], "there is no preset 'none.json'"),
        (["PROFILE", "--max-cores", "2"], "say its nodes"),
        (["PROFILE", "--nodes", "5000", "--no-fit"], "a prediction needs several loads"),
        (["PROFILE", "--junit", "none/x.xml"], "--junit none/x.xml: no file can be written there"),
        (["LOG", "--agent", AGENT, "--write-profile", "LOG"], "is the log itself; nothing was written"),
        (["PROFILE", "--rung-s", "nan"], "rung_s is nan"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_sent(
    kube: KubeObjects, profile: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    """Whatever it is."""
    log = tmp_path / "audit.log"
    log.write_text(text([line(0.0), line(15.0)]))
    given = [{"LOG": str(log), "PROFILE": str(profile)}.get(word, word) for word in arguments]
    exit_code, stdout, stderr = price(*given)
    assert (exit_code, stdout) == (1, "")
    assert words in stderr
    assert len(stderr.splitlines()) == 1
    assert kube.server.requests == []


def test_servers_whose_cpu_time_nobody_may_read_have_no_price(kube: KubeObjects, profile: Path) -> None:
    """That is said before a load is played."""
    kube.server.on("GET", "/metrics", Answer(403))
    exit_code, stdout, stderr = price(str(profile), "--rung-s", "1")
    assert (exit_code, stdout) == (1, "")
    assert "the CPU time of the API servers is not known: the load's identity cannot read /metrics" in stderr
    assert lists(kube) == []
