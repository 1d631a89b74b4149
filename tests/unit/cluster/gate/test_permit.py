"""A permit says which cluster may be changed by which run and until when, and is trusted only from this user's hand."""

import dataclasses
import os
import re
from pathlib import Path

import pytest

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.permit import Permit, permit_path, read_permit, write_permit
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.state import state_root
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock

CLOCK = ManualClock()
GIVEN_S = CLOCK.monotonic_s()
LASTS_S = 100.0
END_S = CLOCK.epoch_s() + LASTS_S
WHERE = (CLUSTER_UID, "ca", "https://api.test/k8s", "runner")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def permit(**changed: object) -> Permit:
    """A permit for some cluster."""
    ends = (END_S, GIVEN_S, GIVEN_S + LASTS_S)
    usual = Permit("run-1", *WHERE, ("10.0.0.1:6443",), "tests", *ends, ("10.0.0.9:8080",), {"u": "coredns"})
    return dataclasses.replace(usual, **changed)  # type: ignore[arg-type]


def place_of(cluster: Cluster) -> dict[str, str]:
    """Where an opened cluster is."""
    return {"ca_sha256": cluster.ca_sha256, "server": cluster.server, "context": cluster.context}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """By run, below the state folder, for this user alone."""
    os.umask(os.umask(0o022))
    write_permit(permit())
    assert read_permit("run-1") == permit()
    assert read_permit("run-2") is None
    assert permit_path("run-1") == state_root() / "permits" / "run-1.json"
    assert permit_path("run-1").parent.stat().st_mode & 0o777 == 0o700
    assert list(permit_path("run-1").parent.iterdir()) == [permit_path("run-1")]
    assert tmp_path in permit_path("run-1").parents


def test_the_state_folder_may_be_there_or_not_and_a_permit_is_replaced() -> None:
    """The gate is passed again in a run that found its folder taken."""
    write_permit(permit())
    write_permit(permit(owner="somebody else"))
    found = read_permit("run-1")
    assert found is not None
    assert found.owner == "somebody else"


@pytest.mark.parametrize("half", ["left by a crash", "planted"])
def test_a_half_written_permit_is_no_obstacle_and_no_way_to_other_files(tmp_path: Path, half: str) -> None:
    """It is made anew; through a link nothing is written."""
    path = permit_path("run-1").with_suffix(".new")
    path.parent.mkdir(parents=True)
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    if half == "planted":
        path.symlink_to(theirs)
    else:
        path.write_text("{" * 5000)
    write_permit(permit())
    assert read_permit("run-1") == permit()
    assert theirs.read_text() == "theirs"


def test_a_permit_that_cannot_be_written_refuses_the_run() -> None:
    """Without it every later action would ask an API that is drowning."""
    state_root().mkdir(parents=True)
    (state_root() / "permits").write_text("in the way")
    with pytest.raises(TargetRefused, match=r"cannot write permit .*nothing was changed"):
        write_permit(permit())


def test_a_permit_behind_a_link_counts_as_none(tmp_path: Path) -> None:
    """Somebody else's file is not this user's leave."""
    write_permit(permit())
    elsewhere = permit_path("run-1").rename(tmp_path / "elsewhere")
    permit_path("run-1").symlink_to(elsewhere)
    assert read_permit("run-1") is None


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o640, 0o620, 0o610])
def test_a_permit_that_others_may_touch_counts_as_none(mode: int) -> None:
    """Whoever may read or write it may have made it."""
    write_permit(permit())
    permit_path("run-1").chmod(mode)
    assert read_permit("run-1") is None


@pytest.mark.parametrize("end", ["Infinity", "NaN", '"soon"', "null"])
def test_a_permit_without_an_end_counts_as_none(end: str) -> None:
    """Leave for ever is no leave."""
    write_permit(permit())
    path = permit_path("run-1")
    path.write_text(path.read_text().replace(str(END_S), end))
    assert read_permit("run-1") is None


def test_a_permit_covers_its_own_cluster_until_its_end(kube: KubeObjects) -> None:
    """The last moment is not in it; an address is enough of several; a pinned UID must be the same."""
    last = ManualClock()
    last.sleep(LASTS_S - 1)
    with open_cluster(kube.settings()) as cluster:
        mine = permit(**place_of(cluster), addresses=(*cluster.addresses, "10.0.0.1:6443"))
        assert mine.refusal(cluster, "", ManualClock()) == ""
        assert mine.refusal(cluster, CLUSTER_UID, last) == ""
        assert "another certificate authority" in permit().refusal(cluster, "", last)
        elsewhere = dataclasses.replace(mine, addresses=("10.0.0.1:6443",))
        assert f"for 10.0.0.1:6443, not {cluster.addresses[0]}" in elsewhere.refusal(cluster, "", last)
        assert "this run is pinned to other" in mine.refusal(cluster, "other", last)
        last.sleep(1)
        assert "has expired" in mine.refusal(cluster, "", last)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"expires_epoch_s": END_S - LASTS_S}, "has expired"),
        ({"expires_boot_s": GIVEN_S}, "has expired"),
        ({"granted_boot_s": GIVEN_S + 1}, "before this machine was started"),
    ],
)
def test_either_clock_ends_a_permit(kube: KubeObjects, changed: dict[str, float], reason: str) -> None:
    """One of them may be set; the other begins anew with the machine."""
    with open_cluster(kube.settings()) as cluster:
        mine = permit(**place_of(cluster), addresses=cluster.addresses, **changed)
        assert reason in mine.refusal(cluster, "", ManualClock())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"server": "https://127.0.0.1/k8s/prod"},
            r"the permit is for https://127\.0\.0\.1/k8s/prod by context runner, ",
        ),
        ({"context": "test"}, r"by context test, not https://127\.0\.0\.1:\d+ by context runner$"),
        ({"context": ""}, r"the permit is for https://127\.0\.0\.1:\d+, not "),
    ],
)
def test_a_permit_is_for_one_path_of_a_server_and_one_context(
    kube: KubeObjects, changed: dict[str, str], reason: str
) -> None:
    """One host with one authority may serve many clusters."""
    with open_cluster(kube.settings()) as cluster:
        mine = permit(**{**place_of(cluster), "addresses": cluster.addresses, **changed})
        assert re.search(reason, mine.refusal(cluster, "", CLOCK))
