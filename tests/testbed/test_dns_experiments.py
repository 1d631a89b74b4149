"""The experiments about DNS, played for real: each ends as its row in experiments/README.md says."""

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
from tests.testbed.test_dns_poison import corefile, look_often
from tests.testbed.test_incident import SMALL

pytestmark = [pytest.mark.testbed, pytest.mark.proof]

# Caches keep the truth of names for 5 s, so that a lie need not last for long to be heard everywhere.
SPEC = "fake_nodes: 0\nkubelet_nodes: 2\ncluster_dns_ttl_s: 5\nnode_cache_ttl_s: 5\n"
QUICK: dict[str, object] = {"lie_ttl_s": 20, "lie_duration_s": 14.0, "arm_within_s": 14.0, "cache_grace_s": 10.0}
RUN_WITHIN_S = 600
ABOUT_DNS = {file.stem: file.read_text(encoding="utf-8") for file in sorted(EXPERIMENTS.glob("*dns*.json"))}
STORMS = [name for name, text in ABOUT_DNS.items() if "start_agent_rollout" in text]
CALM = [name for name in ABOUT_DNS if name not in STORMS]
DRAWN = part.of(
    [(name,) for name in CALM],
    "testbed, DNS experiments",
    at_least=part.amount("testbed, DNS experiments: files"),
    columns=0,
)


@pytest.fixture(scope="module")
def testbed(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
    """One whose DNS servers look for a new Corefile every 2 s."""
    spec = tmp_path_factory.mktemp("lies") / "lies.yaml"
    spec.write_text(SPEC)
    with brought_up(str(spec), f"lies-{os.getpid()}") as fresh:
        look_often(fresh)
        yield fresh


def expected(name: str) -> str:
    """The verdict that the row of an experiment promises."""
    page = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}.json` |"))
    return row.split("|")[5].split(":")[0].strip()


def play(testbed: Testbed, folder: Path, name: str, values: dict[str, object]) -> dict[str, Any]:
    """Play an experiment inside the testbed; it ends as its row says. Return its summary."""
    summary = summary_of_run(testbed, folder, name, values)
    assert summary["verdict"] == expected(name), summary["why"]
    return summary


def summary_of_run(testbed: Testbed, folder: Path, name: str, values: dict[str, object]) -> dict[str, Any]:
    """Play an experiment inside the testbed; nothing of it is left. Return its summary."""
    inside = [*CHAOS, "cp", "exec", "--name", testbed.name, "--"]
    options = [f"--var={key}={value}" for key, value in values.items()]
    command = [*CHAOS, "--no-version-check", "run", *options, str(EXPERIMENTS / f"{name}.json")]
    done = hear([*inside, *command], RUN_WITHIN_S, cwd=folder)
    run_dirs = list((folder / "runs").glob(f"*-{name}"))
    assert len(run_dirs) == 1, done.said
    summary: dict[str, Any] = json.loads((run_dirs[0] / "summary.json").read_text(encoding="utf-8"))
    assert (done.exit_code == 0) == (summary["verdict"] == "held")
    assert summary["healed"] is True
    return summary


@pytest.mark.parametrize("name", [name for (name,) in DRAWN])
def test_an_experiment_ends_as_its_row_says(testbed: Testbed, tmp_path: Path, name: str) -> None:
    """One that lies, or one that loads; which one is drawn."""
    check = a_herd_is_borne_and_was_one if "start_dns_load" in ABOUT_DNS[name] else a_lie_ends_in_time
    check(testbed, tmp_path, name)


def a_lie_ends_in_time(testbed: Testbed, tmp_path: Path, name: str) -> None:
    """Every DNS server told it, workloads heard it, no other name was touched, and nothing of it is left."""
    before = corefile(testbed)
    summary = play(testbed, tmp_path, name, QUICK)
    delivered = summary["faults"][0]["delivered"]
    assert (delivered["done"], delivered["wanted"]) == (2, 2)
    assert [one["came"] for one in summary["expectations"]] == [True]
    figures = summary["figures"]
    assert 0 < figures["lie_kept_s"] <= 30  # its TTL, and what the node cache may add
    assert figures["lie_heard_s"] > 0
    assert corefile(testbed) == before


def a_herd_is_borne_and_was_one(testbed: Testbed, tmp_path: Path, name: str) -> None:
    """Every node sent what was asked for, as its workloads would; the DNS servers were reloaded in the middle of it."""
    summary = play(testbed, tmp_path, name, {"load_duration_s": 45.0, "steady_s": 12.0})
    delivered = summary["faults"][0]["delivered"]
    assert (delivered["done"], delivered["wanted"]) == (2, 2)
    assert delivered["counts"]["share_sent"] > 0.9
    assert delivered["counts"]["good"] > 0.8 * delivered["counts"]["sent"]
    figures = summary["figures"]
    assert 4 <= figures["queries_per_lookup_count"] <= 6.5
    assert summary["faults"][1]["delivered"]["done"] == 2
    assert testbed.get("daemonsets", "-n", "chaoslib-cp", "-l", "chaoslib-cp/run")["items"] == []


@pytest.mark.parametrize("name", STORMS)
def dns_under_a_storm_breaks_as_it_should(
    can_run_testbeds: None,  # noqa: ARG001 - it skips
    tmp_path: Path,
    name: str,
) -> None:
    """On a testbed of its own each: what crashed in one storm would be kept down by back-offs in the next."""
    own = json.loads((EXPERIMENTS / f"{name}.json").read_text(encoding="utf-8"))["configuration"]
    with brought_up("small", f"storm-{os.getpid()}") as fresh:
        quick = {**SMALL, "pin_s": 20, "agent_duration_s": 120.0}
        summary = play(fresh, tmp_path, name, {key: value for key, value in quick.items() if key in own})
    figures = summary["figures"]
    if name == "api-overload-and-dns-poison":
        assert figures["lie_kept_locked_out_s"] > 0
        assert figures["dns_success_ratio_cached"] > 0.95
    else:
        assert abs(figures["mask_s"] - figures["predicted_mask_s"]) <= 3.0
        assert figures["dns_lost_s"] > 0


if part.is_whole():  # minutes each
    test_dns_under_a_storm = dns_under_a_storm_breaks_as_it_should
