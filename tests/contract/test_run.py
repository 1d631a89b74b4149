"""The traps of Chaos Toolkit, played for real on both of its lines: exit code 0 means held and nothing else."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import ROOT, Chaos
from tests.contract.experiments import Activity, act, claim, dns_claim, experiment, probe
from tests.exported import exported
from tests.proof import note

pytestmark = pytest.mark.contract

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def storm(chaos: Chaos, *between: Activity, claims: list[Activity] | None = None, **changed: Any) -> dict[str, Any]:
    """An experiment whose storm is seen by the observer, with activities between its start and its stop."""
    page = chaos.cluster.environment["CONTRACT_PROBER_PAGE"]
    method = [act("start_storm", duration_s=4.0), *between]
    made = experiment(method, [act("stop_storm")], claims or [dns_claim()], page)
    return {**made, **changed}


def pause(chaos: Chaos, duration_s: float = 4.0) -> Activity:
    """An action that takes its time and says when it has begun."""
    return act("sleep", duration_s=duration_s, started=str(chaos.folder / "started"))


def test_a_run_that_held_exits_with_0_and_leaves_its_files(chaos: Chaos) -> None:
    """The declared effect came, the claim was true all the time: held, with all four files and nothing left over."""
    done = chaos.run(storm(chaos, pause(chaos, 6.0)))
    assert done.summary["verdict"] == "held", (done.summary["why"], done.log)
    assert done.exit_code == 0
    [run_dir] = done.run_dirs
    assert run_dir.name.endswith("-contract")
    assert {"timeline.jsonl", "summary.json", "journal.json", "report.html"} <= {
        file.name for file in run_dir.iterdir()
    }
    assert done.journal["chaoslib_cp"]["summary"]["verdict"] == "held"
    assert done.summary["versions"]["kube-apiserver"] == "v1.36.4"
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


def test_an_effect_that_never_came_is_inconclusive(chaos: Chaos) -> None:
    """A storm that nobody felt proves nothing, though every claim was true."""
    quiet = storm(chaos, pause(chaos, 5.0))
    quiet["method"][0]["provider"]["arguments"]["effect_measure"] = "api_livez"
    done = chaos.run(quiet)
    assert (done.exit_code, done.summary["verdict"]) == (1, "inconclusive"), done.log
    assert any("never came" in reason for reason in done.summary["why"])


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


def test_a_cluster_without_the_mark_is_refused_before_anything(chaos: Chaos) -> None:
    """The gate refuses, nothing is played, not even rollbacks; no folder is made."""
    chaos.cluster.unmark()
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played"))))
    assert done.exit_code == 1
    assert "not marked as a test cluster" in done.log
    assert not (chaos.folder / "played").exists()
    assert done.journal["run"] == []
    assert done.journal["rollbacks"] == []
    assert done.run_dirs == []
    assert not [request for request in chaos.cluster.api.requests if request.method != "GET"]


@pytest.mark.parametrize(
    ("missing", "options"),
    [("control.run", ()), ("control.ending", ()), ("control.refusal", ("--no-validation",))],
)
def test_a_control_that_cannot_take_over_plays_nothing(chaos: Chaos, missing: str, options: tuple[str, ...]) -> None:
    """C1: Chaos Toolkit swallows what goes wrong in ``configure_control``, and would play the run unwatched."""
    chaos.spoil(f"import sys; sys.modules['chaoslib_cp.{missing}'] = None")
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played"))), *options)
    assert done.exit_code != 0, done.log
    assert "control chaoslib_cp could not take over the run" in done.log
    assert not (chaos.folder / "played").exists()
    assert chaos.cluster.storm_until_s == 0
    assert (done.journal["run"], done.journal["rollbacks"], done.journal["status"]) == ([], [], "failed")
    assert chaos.cluster.api.requests == []


def background(made: dict[str, Any]) -> None:
    """Let an activity run in the background."""
    made["method"][0]["background"] = True


def forgetful(made: dict[str, Any]) -> None:
    """Leave the strategies to Chaos Toolkit's defaults."""
    del made["runtime"]


def method_tolerance(made: dict[str, Any]) -> None:
    """Put a tolerance where nobody looks at it."""
    made["method"].append({**claim(Path("/nowhere")), "name": "never looked at"})


def unknown_coupling(made: dict[str, Any]) -> None:
    """Ask for a way to restart DNS that does not exist."""
    arguments = {"coupling": "magic"}
    provider = {"type": "python", "module": "chaoslib_cp.dns.actions", "func": "restart_dns_pods"}
    made["method"].append({"type": "action", "name": "restart", "provider": {**provider, "arguments": arguments}})


def unstopped_rollout(made: dict[str, Any]) -> None:
    """Start something that no rollback stops."""
    arguments = {"profile": {"requests": [{"path": "/metrics"}]}}
    provider = {"type": "python", "module": "chaoslib_cp.rollout.actions", "func": "start_agent_rollout"}
    made["method"].append({"type": "action", "name": "roll out", "provider": {**provider, "arguments": arguments}})


def unfilled_placeholder(made: dict[str, Any]) -> None:
    """Use a configuration value that nobody gives."""
    made["steady-state-hypothesis"]["probes"][0]["provider"]["arguments"]["window_s"] = "${nobody_gives_this}"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (background, "runs in the background"),
        (forgetful, "rollbacks strategy is 'default'"),
        (method_tolerance, "a tolerance in the method is never looked at"),
        (unknown_coupling, "coupling 'magic' is unknown"),
        (unstopped_rollout, "add stop_agent_rollout to rollbacks"),
        (unfilled_placeholder, "which the configuration does not have"),
    ],
)
def test_a_file_that_would_be_unsafe_is_refused(chaos: Chaos, spoil: Any, words: str) -> None:
    """Each trap in a file is refused with its reason before the cluster is asked anything."""
    made = storm(chaos)
    spoil(made)
    done = chaos.run(made)
    assert done.exit_code == 1
    assert words in done.log
    assert chaos.cluster.api.requests == []


def test_a_strategy_on_the_command_line_is_seen(chaos: Chaos) -> None:
    """``--rollback-strategy never`` overrides the file and is refused."""
    done = chaos.run(storm(chaos), "--rollback-strategy", "never")
    assert done.exit_code == 1
    assert "rollbacks strategy is 'never'" in done.log


def test_validate_refuses_a_control_that_sees_half_of_a_run(chaos: Chaos) -> None:
    """``chaos validate`` says so without a cluster."""
    made = storm(chaos)
    made["controls"][0]["automatic"] = False
    path = chaos.folder / "experiment.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    done = chaos.finish(chaos.start("validate", str(path)))
    assert done.exit_code == 1
    assert "is not automatic" in done.log


def test_two_runs_do_not_share_a_cluster(chaos: Chaos) -> None:
    """The second run is refused while the first holds the lock."""
    first = chaos.start_run(storm(chaos, pause(chaos, 30.0)))
    chaos.until_played(chaos.folder / "started")
    second = chaos.finish(chaos.start_run(storm(chaos), "--journal-path", "second.json"))
    assert "another run (process" in second.log
    os.kill(first.pid, signal.SIGTERM)
    chaos.finish(first)
    assert json.loads((chaos.folder / "second.json").read_text(encoding="utf-8"))["status"] == "interrupted"


def test_a_dry_run_passes_the_gate_and_has_no_verdict(chaos: Chaos) -> None:
    """``--dry actions`` is a rehearsal of the wiring: the mark is checked, nothing is played or judged."""
    done = chaos.run(storm(chaos, act("mark", path=str(chaos.folder / "played"))), "--dry", "actions")
    assert done.exit_code == 0, done.log
    assert not (chaos.folder / "played").exists()
    assert "chaoslib_cp" not in done.journal
    chaos.cluster.unmark()
    assert chaos.run(storm(chaos), "--dry", "actions").exit_code == 1


@pytest.mark.parametrize(
    ("dry", "exit_code", "says"),
    [
        ("actions", 0, "with dry"),
        ("activities", 0, "with dry"),
        ("probes", 1, "--dry probes would inject"),
        ("pause", 1, "--dry pause would inject"),
    ],
)
def test_a_dry_run_changes_nothing(chaos: Chaos, dry: str, exit_code: int, says: str) -> None:
    """Whichever kind: no call that changes something reaches the API; the kinds that would make one are refused."""
    made = storm(chaos, act("mark", path=str(chaos.folder / "played")))
    made["method"] += [one.activity for one in exported("action")]
    made["rollbacks"].append(next(one.activity for one in exported("action") if one.name.startswith("stop_")))
    done = chaos.run(made, "--dry", dry)
    asked = chaos.cluster.api.requests
    assert [one for one in asked if one.method != "GET" and one.query.get("dryRun") != "All"] == []
    assert bool(asked) == (exit_code == 0)
    assert not (chaos.folder / "played").exists()
    assert not (chaos.folder.parent / "state" / "chaoslib-cp" / "undo").exists()
    assert (done.exit_code, says in done.log) == (exit_code, True), done.log
    note("dry", writes=0)


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
    assert "configuration.cluster_uid says another; nothing was changed" in done.log


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
