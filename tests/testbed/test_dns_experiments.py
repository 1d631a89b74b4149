"""The experiments about DNS alone, played for real: each is held on a cluster whose caches keep to the TTL of a lie."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.places import EXPERIMENTS
from tests.scaffold import part
from tests.scaffold.silence import hear
from tests.testbed.conftest import CHAOS, Testbed, brought_up

pytestmark = [pytest.mark.testbed, pytest.mark.proof]

# Caches keep the truth of names for 5 s, so that a lie need not last for long to be heard everywhere.
SPEC = "fake_nodes: 0\nkubelet_nodes: 2\ncluster_dns_ttl_s: 5\nnode_cache_ttl_s: 5\n"
QUICK = {"lie_ttl_s": 20, "lie_duration_s": 14.0, "arm_within_s": 14.0, "cache_grace_s": 10.0}
COREFILE = ("configmap", "--namespace", "kube-system", "coredns")
RUN_WITHIN_S = 240
FILES = part.of(
    [(file.stem,) for file in sorted(EXPERIMENTS.glob("dns-*.json"))],
    "testbed, DNS experiments",
    at_least=part.amount("testbed, DNS experiments: files"),
    columns=0,
)


@pytest.fixture(scope="module")
def testbed(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
    """One whose DNS servers look for a new Corefile every 2 s: with a stock one arming takes up to 45 s."""
    spec = tmp_path_factory.mktemp("lies") / "lies.yaml"
    spec.write_text(SPEC)
    with brought_up(str(spec), f"lies-{os.getpid()}") as fresh:
        text = corefile(fresh).replace("    reload\n", "    reload 2s 1s\n")
        fresh.kubectl("patch", *COREFILE, "--type=merge", f"--patch={json.dumps({'data': {'Corefile': text}})}")
        fresh.kubectl("rollout", "restart", "--namespace", "kube-system", "deployment/coredns")
        fresh.kubectl("rollout", "status", "--namespace", "kube-system", "--timeout=60s", "deployment/coredns")
        yield fresh


def corefile(testbed: Testbed) -> str:
    """What the DNS servers are told."""
    return str(testbed.get(*COREFILE)["data"]["Corefile"])


def play(testbed: Testbed, folder: Path, name: str) -> tuple[int, dict[str, Any]]:
    """Play an experiment inside the testbed; return its exit code and its summary."""
    values = [f"--var={key}={value}" for key, value in QUICK.items()]
    inside = [*CHAOS, "cp", "exec", "--name", testbed.name, "--"]
    command = [*CHAOS, "--no-version-check", "run", *values, str(EXPERIMENTS / f"{name}.json")]
    done = hear([*inside, *command], RUN_WITHIN_S, cwd=folder)
    run_dirs = list((folder / "runs").glob(f"*-{name}"))
    assert len(run_dirs) == 1, done.said
    return done.exit_code, json.loads((run_dirs[0] / "summary.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for (name,) in FILES])
def test_a_lie_is_heard_outlives_its_end_and_is_gone_in_time(testbed: Testbed, tmp_path: Path, name: str) -> None:
    """Every DNS server told it, workloads heard it, no other name was touched, and nothing of it is left."""
    before = corefile(testbed)
    exit_code, summary = play(testbed, tmp_path, name)
    assert (exit_code, summary["verdict"]) == (0, "held"), summary["why"]
    delivered = summary["faults"][0]["delivered"]
    assert (delivered["done"], delivered["wanted"]) == (2, 2)
    assert [one["came"] for one in summary["expectations"]] == [True]
    figures = summary["figures"]
    assert 0 < figures["lie_kept_s"] <= QUICK["lie_ttl_s"] + QUICK["cache_grace_s"]
    assert figures["lie_heard_s"] > 0
    assert (summary["healed"], corefile(testbed)) == (True, before)
