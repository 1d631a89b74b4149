"""A setting of a driver: on record twice before it is changed, set back where it is ours, else left alone."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import keep, recover
from chaoslib_cp.cluster.undo.setting import SettingChange, change_setting
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.settings import Settings
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.fakes.setting_driver import SettingDriver
from tests.scaffold.clocks import ManualClock

CORES = "api_server_cpu_cores"
SQUEEZE = SettingChange(CORES, 0.1)
WHAT = f"setting {CORES} of infrastructure command"
RECORDS = "/api/v1/namespaces/chaoslib-cp/configmaps"


@pytest.fixture
def driver(tmp_path: Path) -> SettingDriver:
    """A driver of somebody's own."""
    return SettingDriver(tmp_path, CLUSTER_UID)


@pytest.fixture
def settings(kube: KubeObjects, driver: SettingDriver) -> Settings:
    """What the run was told."""
    return kube.settings(chaoslib_cp_run_dir="/runs/r", infrastructure=driver.infrastructure)


@pytest.fixture
def cluster(settings: Settings) -> Iterator[Cluster]:
    """As the runner."""
    with open_cluster(settings) as opened:
        yield opened


@pytest.fixture
def log(cluster: Cluster, settings: Settings) -> UndoLog:
    """The run's log."""
    return undo_log_for_change(settings, cluster, CLUSTER_UID, ManualClock())


@pytest.fixture
def squeezed(cluster: Cluster, log: UndoLog, settings: Settings) -> ManualClock:
    """The API servers have a tenth of a core."""
    clock = ManualClock()
    change_setting(cluster, log, log.next_fault("squeeze"), SQUEEZE, settings, clock)
    return clock


def outcomes(clock: ManualClock) -> dict[str, str]:
    """What recover says of each entry."""
    logs = recover(timeout_s=0, clock=clock)["logs"]
    return {item["object"]: item["outcome"] for one in logs for item in one["items"]}


def test_a_setting_is_set_back(
    kube: KubeObjects, driver: SettingDriver, settings: Settings, squeezed: ManualClock
) -> None:
    """By the one who set it, and it is seen as long as it is not."""
    assert driver.value == 0.1
    assert WHAT in leftovers(settings)
    done = take_back(settings, 0, squeezed, kind="squeeze")
    assert (done.details["undone"], done.faults) == (2, ("squeeze-1",))
    assert (driver.value, leftovers(settings)) == (0.4, [])
    assert [path for path in kube.objects if path.startswith(RECORDS)] == []


def test_no_limit_is_a_value_as_well(cluster: Cluster, log: UndoLog, driver: SettingDriver, settings: Settings) -> None:
    """Before and after."""
    driver.value = "unlimited"
    change_setting(cluster, log, log.next_fault("squeeze"), SQUEEZE, settings, ManualClock())
    take_back(settings, 0, ManualClock())
    assert driver.value == "unlimited"


def test_what_somebody_else_set_is_never_overwritten(
    driver: SettingDriver, log: UndoLog, squeezed: ManualClock
) -> None:
    """It stays open and is said; kept, or set as it was, it is closed."""
    driver.value = 2.0
    said = outcomes(squeezed)[WHAT]
    assert "it was 0.4, we set 0.1, it is 2.0 now; set it as it was, then run `chaos cp recover`; or keep" in said
    assert (driver.value, len(log.open_items())) == (2.0, 2)
    driver.value = 0.4
    assert set(outcomes(squeezed).values()) == {"is as before", "deleted"}


def test_it_can_be_kept(driver: SettingDriver, log: UndoLog, squeezed: ManualClock) -> None:
    """By its number."""
    driver.value = 2.0
    keep("r", 1, squeezed)
    assert recover(timeout_s=0, clock=squeezed)["healed"]
    assert (driver.value, log.open_items()) == (2.0, [])


def test_the_printed_command_does_the_same(driver: SettingDriver, squeezed: ManualClock) -> None:
    """The driver's own, as a shell takes it; it leaves alone what is not ours."""
    driver.fail("set-setting")
    [line, _] = recover(timeout_s=0, clock=squeezed)["logs"][0]["kubectl"]
    driver.fail()
    driver.value = 2.0
    subprocess.run(shlex.split(line), check=True, capture_output=True)
    assert driver.value == 2.0
    driver.value = 0.1
    subprocess.run(shlex.split(line), check=True, capture_output=True)
    assert driver.value == 0.4
    assert recover(timeout_s=0, clock=squeezed)["healed"]


@pytest.mark.parametrize(("call", "value"), [("set-setting", 0.4), ("set-setting-answer", 0.1)])
def test_a_change_that_was_never_answered_stays_on_record(
    cluster: Cluster, log: UndoLog, driver: SettingDriver, settings: Settings, call: str, value: float
) -> None:
    """Made or not: it is set back, or waited for until it cannot come any more."""
    clock = ManualClock()
    driver.fail(call)
    with pytest.raises(TargetUnreachable, match="what it had done stays"):
        change_setting(cluster, log, log.next_fault("squeeze"), SQUEEZE, settings, clock)
    driver.fail()
    assert (driver.value, len(log.open_items())) == (value, 2)
    said = outcomes(clock)[WHAT]
    if value == 0.4:
        assert "is as before, but the driver never answered to our change, which may come for another 65 s" in said
        clock.pass_s(65)
        said = outcomes(clock)[WHAT]
    assert (said, driver.value) == ("set back to 0.4" if value == 0.1 else "is as before", 0.4)


def test_a_driver_that_cannot_be_reached_leaves_it_open(driver: SettingDriver, squeezed: ManualClock) -> None:
    """And is told."""
    driver.fail("read-setting")
    assert "ended with 1: no machine answers" in outcomes(squeezed)[WHAT]
    driver.fail()
    assert recover(timeout_s=0, clock=squeezed)["healed"]


@pytest.mark.parametrize("named", [True, False])
def test_a_lost_log_is_written_again_and_the_environment_names_the_driver(
    kube: KubeObjects,
    driver: SettingDriver,
    log: UndoLog,
    squeezed: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    """What a cluster says never chooses a program that is started here."""
    log.path.unlink()
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    if named:
        monkeypatch.setenv("CHAOSLIB_CP_INFRASTRUCTURE", driver.infrastructure)
    squeezed.pass_s(3600 + 601)
    report = recover(timeout_s=0, clock=squeezed)
    assert (report["healed"], driver.value) == (named, 0.4 if named else 0.1)
    if not named:
        assert "no infrastructure driver is configured" in str(report)


def test_two_changes_of_one_setting_are_refused(
    cluster: Cluster, log: UndoLog, driver: SettingDriver, settings: Settings, squeezed: ManualClock
) -> None:
    """The second one would be set back to the first one's value."""
    with pytest.raises(
        TargetRefused, match="is changed by fault squeeze-1 of run r already; nothing was changed; stop"
    ):
        change_setting(cluster, log, log.next_fault("squeeze"), SettingChange(CORES, 0.2), settings, squeezed)
    assert (driver.value, len(log.open_items())) == (0.1, 2)


@pytest.mark.parametrize(
    ("wanted", "told", "error", "says"),
    [
        (
            SettingChange("memory", 1.0),
            {},
            ProfileInvalid,
            "there is no setting 'memory'; nothing was changed; use one",
        ),
        (
            SettingChange(CORES, 0.01),
            {},
            ProfileInvalid,
            f"{CORES} is 0.01; nothing was changed; use a number from 0.0",
        ),
        (SettingChange(CORES, "much"), {}, ProfileInvalid, f"{CORES} is 'much'; nothing was changed"),
        (SettingChange(CORES, 0.4), {}, TargetRefused, "is 0.4 already; nothing was changed"),
        (SQUEEZE, {"infrastructure": "none"}, TargetRefused, "no infrastructure driver is configured"),
        (SQUEEZE, {"infrastructure": "kind"}, TargetRefused, "kind cannot read or set api_server_cpu_cores; use the"),
    ],
)
def test_what_cannot_be_set_is_refused_before_anything_is_changed(
    kube: KubeObjects,
    log: UndoLog,
    cluster: Cluster,
    driver: SettingDriver,
    wanted: SettingChange,
    told: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    """In one line; nothing is on record."""
    settings = kube.settings(chaoslib_cp_run_dir="/runs/r", **{"infrastructure": driver.infrastructure, **told})
    with pytest.raises(error, match=says):
        change_setting(cluster, log, log.next_fault("squeeze"), wanted, settings, ManualClock())
    assert (kube.writes(), log.items(), driver.value) == ([], [], 0.4)


def test_a_driver_of_another_cluster_changes_nothing(
    cluster: Cluster, log: UndoLog, settings: Settings, driver: SettingDriver
) -> None:
    """A name may lead to another cluster: the UID goes along."""
    SettingDriver(driver.folder, "another")
    with pytest.raises(TargetUnreachable, match="another cluster is meant"):
        change_setting(cluster, log, log.next_fault("squeeze"), SQUEEZE, settings, ManualClock())
    assert log.items() == []


def test_somebody_who_sets_it_at_this_moment_is_first(
    kube: KubeObjects, cluster: Cluster, log: UndoLog, driver: SettingDriver, settings: Settings
) -> None:
    """It is left alone, and what was made for the attempt is taken away."""

    def set_meanwhile(path: str) -> None:
        if path.startswith(RECORDS):
            driver.value = 3.0

    kube.on_create = set_meanwhile
    with pytest.raises(TargetRefused, match=r"became 3\.0 at this moment; nothing was changed by us; try again"):
        change_setting(cluster, log, log.next_fault("squeeze"), SQUEEZE, settings, ManualClock())
    assert (driver.value, log.open_items()) == (3.0, [])
    assert [path for path in kube.objects if path.startswith(RECORDS)] == []
