"""Edits and settings on a real API server and real control groups: made, seen, put back, never over others' edits."""

import json
import sys
from typing import Any

import pytest

from tests.testbed.conftest import Testbed

pytestmark = pytest.mark.testbed

# As the administrator: the runner's roles allow no edit of what is not ours.
BEGIN = """
import json
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.same_cluster import CLUSTER_UID_PATH
from chaoslib_cp.cluster.undo.edit import Edit, edit
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.cluster.undo.setting import SettingChange, change_setting
from chaoslib_cp.settings import read_settings
clock = SystemClock()
settings = read_settings({"chaoslib_cp_run_dir": "/runs/edits", "runner_context": "admin"})
"""
CHANGE = (
    BEGIN
    + """
OURS = {("data", "a"): "ours", ("data", "b"): 'ours: "é" && <b>'}
with open_cluster(settings) as cluster:
    uid = cluster.get(CLUSTER_UID_PATH)["metadata"]["uid"]
    log = undo_log_for_change(settings, cluster, uid, clock)
    fault = log.next_fault("edits")
    edit(cluster, log, fault, Edit("Deployment", "kube-system", "coredns", {("spec", "replicas"): 1}), clock)
    edit(cluster, log, fault, Edit("ConfigMap", "default", "theirs", OURS), clock)
    change_setting(cluster, log, fault, SettingChange("api_server_cpu_cores", 3.0), settings, clock)
print(json.dumps(leftovers(settings)))
"""
)
RECOVER = BEGIN + "print(json.dumps(recover(timeout_s=20, clock=clock, only_kubeconfig=settings.kubeconfig)))"


def play(testbed: Testbed, code: str) -> Any:
    """Run code inside."""
    ended = testbed.run(sys.executable, "-c", code, timeout_s=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def quota(testbed: Testbed) -> float:
    """What the API servers may use."""
    uid = testbed.state["cluster_uid"]
    asked = ("chaos", "cp", "read-setting", "--setting", "api_server_cpu_cores", "--cluster-uid", uid, "--json")
    return float(json.loads(testbed.run(*asked).stdout)["value"])


def test_edits_and_settings_are_put_back_and_foreign_edits_are_not_overwritten(testbed: Testbed) -> None:
    """The API server refuses a patch whose object was changed, and so nothing of anybody is lost."""
    coredns = ("deployment", "--namespace", "kube-system", "coredns")
    replicas, cores = testbed.get(*coredns)["spec"]["replicas"], quota(testbed)
    literals = ("--from-literal=a=theirs", "--from-literal=b=theirs")
    testbed.kubectl("create", "configmap", "--namespace", "default", "theirs", *literals)
    try:
        left = play(testbed, CHANGE)
        assert "Deployment kube-system/coredns: spec.replicas" in left
        assert "setting api_server_cpu_cores of infrastructure testbed" in left
        assert (testbed.get(*coredns)["spec"]["replicas"], quota(testbed)) == (1, 3.0)
        foreign = '{"data": {"a": "foreign"}}'
        testbed.kubectl("patch", "configmap", "--namespace", "default", "theirs", "--type=merge", "--patch", foreign)
        report = play(testbed, RECOVER)
        assert "was edited by somebody else since" in str(report)
        theirs = testbed.get("configmap", "--namespace", "default", "theirs")
        assert theirs["data"] == {"a": "foreign", "b": "theirs"}
        assert (testbed.get(*coredns)["spec"]["replicas"], quota(testbed)) == (replicas, cores)
        testbed.kubectl("delete", "configmap", "--namespace", "default", "theirs")
        assert play(testbed, RECOVER)["healed"] is True
        assert testbed.get("configmaps", "-A", "-l", "chaoslib-cp/role=undo-record")["items"] == []
    finally:
        testbed.run("kubectl", "delete", "configmap", "--namespace", "default", "theirs", "--ignore-not-found")
