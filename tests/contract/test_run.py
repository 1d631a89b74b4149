"""The traps of Chaos Toolkit, played for real on both of its lines: exit code 0 means held and nothing else."""

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.contract.conftest import Chaos
from tests.contract.experiments import act, claim, dns_claim, pause, probe, storm
from tests.places import ROOT

pytestmark = pytest.mark.contract

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def test_a_run_that_held_exits_with_0_and_leaves_its_files(chaos: Chaos) -> None:
    """The fault was delivered, the claim was true all the time: held, with all four files and nothing left over."""
    done = chaos.run(storm(chaos, pause(chaos, 6.0)))
    assert done.summary["verdict"] == "held", (done.summary["why"], done.log)
    assert done.exit_code == 0
    [run_dir] = done.run_dirs
    assert run_dir.name.endswith("-contract")
    assert {"timeline.jsonl", "summary.json", "journal.json", "report.html"} <= {
        file.name for file in run_dir.iterdir()
    }
    assert done.journal["chaoslib_cp"]["summary"]["verdict"] == "held"
    assert done.summary["versions"]["kube-apiserver"] == "v1.36.0"
    assert done.summary["healed"] is True
    assert "VERDICT: HELD" in done.log


def test_a_page_shows_titles_and_scale_as_text(chaos: Chaos) -> None:
    """What comes from outside never becomes markup in the report."""
    done = chaos.run(storm(chaos, pause(chaos, 3.0)))
    page = (done.run_dirs[0] / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "here &lt;b&gt;because&lt;/b&gt;" in page


def test_a_break_that_heals_itself_exits_with_1(chaos: Chaos) -> None:
    """V3: true, false, true again is broke; Chaos Toolkit alone would exit 0."""
    file = chaos.folder / "broken"
    steps = [pause(chaos, 1.0), act("mark", path=str(file)), pause(chaos, 2.0), act("remove", path=str(file))]
    done = chaos.run(storm(chaos, *steps, pause(chaos, 1.0), claims=[claim(file)]))
    assert (done.exit_code, done.summary["verdict"]) == (1, "broke"), done.log
    assert done.journal["deviated"] is True
    assert done.journal["status"] == "completed"
    assert done.log.count("Hypothesis NOT met") == done.log.count("Hypothesis met again") == 1
    assert done.log.count("Probe: needs_file") < 6, "rounds beside the method clutter the terminal"


def test_a_baseline_that_is_not_met_exits_with_1(chaos: Chaos) -> None:
    """V1: nothing is injected, and that is no success."""
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played")), claims=[claim(chaos.folder)]))
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log
    assert not (chaos.folder / "played").exists()


def test_a_failed_action_ends_the_injections(chaos: Chaos) -> None:
    """V2: what comes after a failed action is not played; rollbacks are; the run proves nothing."""
    played = chaos.folder / "played"
    done = chaos.run(storm(chaos, act("fail", message="no such thing"), act("mark", path=str(played))))
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log
    assert not played.exists()
    assert any("no such thing" in reason for reason in done.summary["why"])
    assert [run["status"] for run in done.journal["rollbacks"]] == ["succeeded"]


def test_a_failed_rollback_is_never_held(chaos: Chaos) -> None:
    """V4: the claim was true all the time, but something may be left."""
    broken = storm(chaos, pause(chaos, 3.0))
    broken["rollbacks"].append({**act("fail"), "name": "cannot clean up"})
    done = chaos.run(broken)
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log
    assert done.summary["healed"] is False
    assert "NOT HEALED: cannot clean up" in done.log


def test_what_has_not_recovered_is_never_held(chaos: Chaos) -> None:
    """The claim was true all the time, but the API fails on after the rollbacks: the run is not called healed."""
    lasting = storm(chaos, pause(chaos, 5.0))
    lasting["method"][0]["provider"]["arguments"]["duration_s"] = 60.0
    lasting["rollbacks"] = []
    done = chaos.run(lasting)
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log
    assert (done.summary["healed"], done.summary["left_behind"]) == (False, [])
    assert "NOT HEALED: small API reads had not recovered when the run ended" in done.log


def test_a_fault_that_was_not_delivered_is_inconclusive(chaos: Chaos) -> None:
    """A storm that never blew proves nothing, though every claim was true."""
    quiet = storm(chaos, pause(chaos, 5.0))
    quiet["method"][0]["provider"]["arguments"]["refused"] = 0
    done = chaos.run(quiet)
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log
    assert done.summary["why"] == ["storm was not delivered: only 0 of 1 storms"]


def test_a_cluster_that_feels_nothing_has_held(chaos: Chaos) -> None:
    """What the victim was expected to suffer did not come: reported, and no reason to doubt the run."""
    unfelt = storm(chaos, pause(chaos, 5.0))
    unfelt["method"][0]["provider"]["arguments"]["expected_at"] = "api_livez"
    done = chaos.run(unfelt)
    assert (done.exit_code, done.summary["verdict"]) == (0, "held"), done.log
    assert [one["came"] for one in done.summary["expectations"]] == [False]


def test_a_prober_that_is_gone_is_never_held(chaos: Chaos) -> None:
    """Without samples of workload DNS nobody knows whether it held."""
    chaos.cluster.prober.on("GET", "/?", chaos.cluster.page)
    blind = storm(chaos, pause(chaos, 3.0), claims=[claim(chaos.folder / "nothing")])
    blind["configuration"]["prober_pages"] = ["127.0.0.1:9"]
    blind["steady-state-hypothesis"]["probes"] = [dns_claim()]
    done = chaos.run(blind)
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_rolls_back_at_once_and_nothing_more_is_injected(chaos: Chaos, number: signal.Signals) -> None:
    """S1, S8: in the middle of a Python action, every one of the three ends the run with its rollbacks."""
    played = chaos.folder / "played"
    process = chaos.start_run(storm(chaos, pause(chaos, 30.0), act("mark", path=str(played))))
    chaos.until_played(chaos.folder / "started")
    os.kill(process.pid, number)
    done = chaos.finish(process)
    assert done.exit_code == 1, done.log
    assert not played.exists()
    assert [run["status"] for run in done.journal["rollbacks"]] == ["succeeded"], done.log
    assert (done.journal["status"], done.journal["interruption"]["name"]) == ("interrupted", number.name)
    assert done.summary["why"][0] == f"interrupted by signal {number.name}"
    assert done.journal["duration"] < 20


def test_a_run_under_nohup_outlives_its_terminal(chaos: Chaos) -> None:
    """Whoever ignores SIGHUP asked for it: the run is played to its end."""
    played = chaos.folder / "played"
    chaos.spoil("import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    process = chaos.start_run(storm(chaos, pause(chaos, 3.0), act("mark", path=str(played))))
    chaos.until_played(chaos.folder / "started")
    os.kill(process.pid, signal.SIGHUP)
    done = chaos.finish(process)
    assert played.exists(), done.log
    assert "interruption" not in done.journal


def test_a_second_signal_does_not_cut_the_rollbacks_short(chaos: Chaos) -> None:
    """S7: an impatient second Ctrl-C is noted; every rollback is still played."""
    last = chaos.folder / "last"
    stubborn = storm(chaos, pause(chaos, 30.0))
    slow = act("sleep", duration_s=2.0, started=str(chaos.folder / "rolling-back"))
    stubborn["rollbacks"] += [{**slow, "name": "slow"}, {**act("mark", path=str(last)), "name": "last"}]
    process = chaos.start_run(stubborn)
    chaos.until_played(chaos.folder / "started")
    os.kill(process.pid, signal.SIGINT)
    chaos.until_played(chaos.folder / "rolling-back")
    os.kill(process.pid, signal.SIGINT)
    done = chaos.finish(process)
    assert last.exists(), done.log
    assert "noted: the run is being rolled back" in done.log


def test_two_runs_do_not_share_a_cluster(chaos: Chaos) -> None:
    """The second run is refused while the first holds the lock."""
    first = chaos.start_run(storm(chaos, pause(chaos, 30.0)))
    chaos.until_played(chaos.folder / "started")
    second = chaos.finish(chaos.start_run(storm(chaos), "--journal-path", "second.json"))
    assert "another run (process" in second.log
    os.kill(first.pid, signal.SIGTERM)
    chaos.finish(first)
    assert json.loads((chaos.folder / "second.json").read_text(encoding="utf-8"))["status"] == "interrupted"


def test_values_given_on_the_command_line_are_kept_and_secrets_are_not(chaos: Chaos) -> None:
    """summary.json has what our activities were given; what may be a secret, under any name, is in no file of ours."""
    made = storm(chaos, pause(chaos, 1.0))
    secrets = {key: f"s3cr3t-{key}" for key in ("admin_token", "db_pass", "pwd", "private_key", "dsn")}
    made["configuration"] |= {"window_s": 3.0, **secrets}
    made["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"]["window_s"] = "${window_s}"
    done = chaos.run(made, "--var", "window_s:float=2.5")
    assert done.summary["parameters"]["configuration"]["window_s"] == 2.5
    assert secrets.keys() <= set(done.summary["parameters"]["not_shown"])
    for name in ("summary.json", "report.html", "timeline.jsonl"):
        assert "s3cr3t" not in (done.run_dirs[0] / name).read_text(encoding="utf-8")


def test_the_second_opinion_agrees(chaos: Chaos) -> None:
    """The stand-alone script finds the same figures in the timeline."""
    done = chaos.run(storm(chaos, pause(chaos, 2.0)))
    again = subprocess.run(
        [sys.executable, str(ROOT / "experiments" / "recompute.py"), str(done.run_dirs[0])],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert again.returncode == 0, again.stdout
    assert "lockout_s not measured (summary.json agrees)" in again.stdout


def test_the_shipped_experiment_is_valid(chaos: Chaos) -> None:
    """``chaos validate`` accepts it on both lines, every argument matching its function."""
    done = chaos.finish(chaos.start("validate", str(ROOT / "experiments" / "openai-2024-12-11.json")))
    assert done.exit_code == 0, done.log


@pytest.mark.parametrize("by", ["option", "environment"])
def test_the_shipped_experiment_can_be_pinned_to_a_cluster(chaos: Chaos, by: str) -> None:
    """Chaos Toolkit ignores a ``--var`` that the file does not declare: the run would be pinned to nothing."""
    options = ["--var", "cluster_uid=another"] if by == "option" else []
    chaos.cluster.environment |= {} if options else {"CHAOSLIB_CP_CLUSTER_UID": "another"}
    chaos.cluster.environment["CHAOSLIB_CP_DNS_RESTART"] = "delete-pods"
    path = str(ROOT / "experiments" / "openai-2024-12-11.json")
    done = chaos.finish(chaos.start("run", *options, path))
    assert done.exit_code == 1
    assert (
        "this run is pinned to another (configuration.cluster_uid or CHAOSLIB_CP_CLUSTER_UID); nothing was changed"
        in done.log
    )


def test_every_activity_is_discovered_with_its_types(chaos: Chaos) -> None:
    """``chaos discover`` lists what the shipped experiment uses, and no argument reads "object"."""
    done = chaos.finish(chaos.start("discover", "--no-install", "chaostoolkit-cp"))
    assert done.exit_code == 0, done.log
    found = json.loads((chaos.folder / "discovery.json").read_text(encoding="utf-8"))["activities"]
    names = {activity["name"] for activity in found}
    shipped = json.loads((ROOT / "experiments" / "openai-2024-12-11.json").read_text(encoding="utf-8"))
    used = [*shipped["steady-state-hypothesis"]["probes"], *shipped["method"], *shipped["rollbacks"]]
    assert {activity["provider"]["func"] for activity in used} <= names
    types = [argument.get("type") for activity in found for argument in activity.get("arguments", [])]
    assert "object" not in types


def test_a_probe_in_the_method_may_fail_without_ending_the_run(chaos: Chaos) -> None:
    """A probe that raised leaves the run inconclusive, but what follows is still played."""
    played = chaos.folder / "played"
    done = chaos.run(storm(chaos, probe("fail"), act("mark", path=str(played))))
    assert played.exists(), done.log
    assert done.summary["verdict"] == "inconclusive"
