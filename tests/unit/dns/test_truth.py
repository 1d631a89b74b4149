"""Whether the truth is back after a lie: meant while it is told, excused while caches may keep it, then false."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.dns.probes import dns_truth_is_back
from chaoslib_cp.engine.poison.revision import Revision
from tests.fakes.timeline import write_samples

ASKED = "decoy.chaoslib-cp.svc.cluster.local. A"
TTL_S, GRACE_S = 10.0, 5.0


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run whose timeline a test fills."""
    return tmp_path / "run"


def write_revisions(run_dir: Path, server: str, ended_ago_s: float, lies: bool = True) -> None:
    """Samples of an armed server that say when its lie, or its pin, ends."""
    ends_s = int(time.time() - ended_ago_s)  # noqa: TID251 - the clock of the DNS server
    strings = Revision("r-1", ends_s - 60, ends_s, (("decoy.chaoslib-cp.svc.cluster.local.", "A"),), lies).strings
    answers = [" ".join(f'"{one}"' for one in strings)]
    write_samples(run_dir, "dns_revision", ["ok"] * 6, 3.0, target=server, rcode="NOERROR", answers=[answers] * 6)


def write_heard(run_dir: Path, *outcomes: str, path: str = "cached", server: str = "10.0.0.1") -> None:
    """Answers of the last seconds about the name that is lied about."""
    write_samples(run_dir, f"dns_watched_{path}", list(outcomes), len(outcomes) / 2, target=f"{ASKED} at {server}")


def asked(run_dir: Path, **arguments: Any) -> dict[str, Any]:
    """What the probe says."""
    configuration = {"chaoslib_cp_run_dir": str(run_dir), "kubeconfig": str(run_dir / "none")}
    told = {"ttl_s": TTL_S, "grace_s": GRACE_S, "window_s": 5.0, **arguments}
    said: dict[str, Any] = dns_truth_is_back(**told, configuration=configuration)
    assert len(json.dumps(said)) < 4096
    return said


@pytest.mark.parametrize(
    ("ended_ago_s", "heard", "state", "ok"),
    [
        (-30, "wrong", "told", True),
        (8, "wrong", "may be kept", True),
        (40, "ok", "due", True),
        (40, "wrong", "due", False),
        (40, "stale", "due", False),
        (40, "nxdomain", "due", False),
        (40, None, "due", False),
    ],
)
def test_a_false_answer_counts_from_the_moment_it_may_no_longer_be_kept(
    run_dir: Path, ended_ago_s: float, heard: str | None, state: str, ok: bool
) -> None:
    """Before, it is what the fault does; and that nobody heard anything is never good news."""
    write_revisions(run_dir, "10.0.0.1", ended_ago_s)
    write_heard(run_dir, *([heard] * 6 if heard else []))
    said = asked(run_dir)
    assert (said["state"], said["ok"]) == (state, ok)
    assert said["withdrawn_ago_s"] == (None if ended_ago_s < 0 else pytest.approx(ended_ago_s, abs=3))


@pytest.mark.parametrize(("ended_ago_s", "state", "ok"), [(-30, "told", True), (40, "due", False)])
def test_a_pin_is_meant_until_it_ends(run_dir: Path, ended_ago_s: float, state: str, ok: bool) -> None:
    """Its stale answers are what was asked for, as a lie is."""
    write_revisions(run_dir, "10.0.0.1", ended_ago_s, lies=False)
    write_heard(run_dir, *["stale"] * 6)
    said = asked(run_dir)
    assert (said["state"], said["ok"]) == (state, ok)


def test_what_was_heard_before_it_was_due_counts_no_more(run_dir: Path) -> None:
    """The window reaches back beyond the moment; only what came after it is judged."""
    write_revisions(run_dir, "10.0.0.1", TTL_S + GRACE_S + 2)
    write_heard(run_dir, *["wrong"] * 4, *["ok"] * 6)
    said = asked(run_dir, window_s=10.0)
    assert (said["state"], said["ok"], said["ok_ratio"]) == ("due", True, 1.0)


def test_one_server_that_lies_on_is_enough(run_dir: Path) -> None:
    """Of many that tell the truth it would not be seen in a share over all of them."""
    write_revisions(run_dir, "10.0.0.1", 40)
    for number in range(20):
        write_heard(run_dir, "ok", "ok", path="pod", server=f"10.0.1.{number}")
    write_heard(run_dir, "wrong", "wrong", path="pod", server="10.0.2.1")
    said = asked(run_dir, path="watched-pods")
    assert (said["ok"], said["ok_ratio"], said["asked"]) == (False, 0.0, f"{ASKED} at 10.0.2.1")


def test_one_cache_that_lies_on_is_enough(run_dir: Path) -> None:
    """The caches of all nodes have one address in many clusters, and each keeps a lie for a time of its own."""
    write_revisions(run_dir, "10.0.0.1", 40)
    for node, outcome in (("worker-1", "ok"), ("worker-2", "wrong"), ("worker-3", "ok")):
        target = f"{ASKED} at 169.254.20.10"
        write_samples(run_dir, "dns_watched_cached", [outcome] * 6, 3.0, target=target, node=node)
    said = asked(run_dir)
    assert (said["ok"], said["asked"]) == (False, f"{ASKED} at 169.254.20.10 from worker-2")


def test_the_server_that_lies_longest_decides(run_dir: Path) -> None:
    """Two servers of two revisions: as long as one tells it, it is told."""
    write_revisions(run_dir, "10.0.0.1", 40)
    write_revisions(run_dir, "10.0.0.2", -5)
    assert asked(run_dir)["state"] == "told"


@pytest.mark.parametrize(("last", "ok"), [("ok", True), ("wrong", False)])
def test_when_watching_ended_what_was_heard_last_decides(run_dir: Path, last: str, ok: bool) -> None:
    """Servers that have their own Corefile back tell nobody what to watch; a node's cache may lie on."""
    write_samples(run_dir, "dns_revision", ["nxdomain"] * 4, 2.0, target="10.0.0.1", rcode="NXDOMAIN", answers=[[]] * 4)
    write_heard(run_dir, "wrong", "wrong", last)
    said = asked(run_dir)
    assert (said["state"], said["ok"]) == ("not armed", ok)


def test_servers_that_never_lied_are_well_and_silent_ones_are_not_measured(run_dir: Path) -> None:
    """The baseline holds before anything is armed; a server that says nothing at all is no evidence."""
    assert asked(run_dir)["state"] == "not measured"
    write_samples(run_dir, "dns_revision", ["timeout"] * 4, 2.0, target="10.0.0.1", rcode=None)
    assert (asked(run_dir)["state"], asked(run_dir)["ok"]) == ("not measured", False)
    write_samples(run_dir, "dns_revision", ["nxdomain"], 1.0, target="10.0.0.1", rcode="NXDOMAIN")
    assert (asked(run_dir)["state"], asked(run_dir)["ok"]) == ("not armed", True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"path": "cached"}, "path is 'cached'; nothing was asked; use one of watched-backends, watched-pods"),
        ({"ttl_s": -1}, "ttl_s is -1"),
        ({"grace_s": 3601}, "grace_s is 3601"),
        ({"window_s": 1}, "window_s is 1"),
        ({"min_ok_ratio": 2}, "min_ok_ratio is 2"),
    ],
)
def test_wrong_arguments_are_refused(run_dir: Path, wrong: dict[str, Any], says: str) -> None:
    """Other names have no lie that could end."""
    with pytest.raises(ActivityFailed, match=says):
        asked(run_dir, **wrong)
