"""Rolling out, removing as an administrator, taking back, recovering: against a small API server that can be sick."""

import json
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.agents.image import image_refusals
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change, undo_log_of_run
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.fault import Delivers, Ended, Expects, Injected, read
from chaoslib_cp.rollout.actions import start_agent_rollout, stop_agent_rollout
from chaoslib_cp.rollout.probes import rollout_progress
from chaoslib_cp.settings import read_settings
from chaoslib_cp.state import state_root
from chaoslib_cp.version import VERSION
from tests.fakes.api_server import HANG, RESET, Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import to_delete
from tests.scaffold.profiles import PROFILE

DAEMONSET = "/apis/apps/v1/namespaces/kube-system/daemonsets/chaoslib-cp-agent-rollout-1"
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/chaoslib-cp-agent-rollout-1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
RUN = "20261122T120000Z-openai"


def settings(kube: KubeObjects, **more: Any) -> dict[str, Any]:
    """Configuration of the run."""
    return kube.configuration(chaoslib_cp_run_dir=f"/runs/{RUN}", **more)


def ours(kube: KubeObjects) -> list[str]:
    """Paths of everything we made."""
    return [
        path for path, found in kube.objects.items() if (found["metadata"].get("labels") or {}).get("chaoslib-cp/run")
    ]


def started(kube: KubeObjects, **more: Any) -> dict[str, Any]:
    """Roll out."""
    return start_agent_rollout(PROFILE, duration_s=60.0, configuration=settings(kube), **more)


def test_a_rollout_makes_five_objects_and_returns_what_it_did(kube: KubeObjects) -> None:
    """What it delivers, for the control, effective parameters, the agents' own end; under 4 KB."""
    result = started(kube)
    assert len(ours(kube)) == len(result["details"]["objects"]) == 5
    injected = read(result)
    assert isinstance(injected, Injected)
    assert injected.expects == (Expects("api_read"),)
    assert injected.delivers == Delivers("agents", wanted=result["details"]["nodes"], vantage="agent_load")
    assert result["parameters"]["duration_s"] == 60.0
    written = json.loads(
        kube.objects[DAEMONSET.replace("apis/apps/v1", "api/v1").replace("daemonsets", "configmaps")]["data"][
            "profile.json"
        ]
    )
    assert written["deadline_epoch_s"] == result["deadline_epoch_s"]
    assert len(json.dumps(result)) < 4096


def test_the_agents_are_told_whom_to_tell_their_account(kube: KubeObjects) -> None:
    """The prober's page as the gate noted it, and the id of the fault: both are the rollout's own to say."""
    where = "/api/v1/namespaces/chaoslib-cp"
    spec = {"selector": {"a": "b"}, "ports": [{"nodePort": 30953}]}
    kube.objects[f"{where}/services/workload-prober"] = {"metadata": {"name": "workload-prober"}, "spec": spec}
    for number in range(4):
        kube.objects[f"{where}/pods/p{number}"] = {
            "metadata": {"name": f"p{number}", "labels": {"a": "b"}},
            "status": {"hostIP": f"192.0.2.{number}"},
        }
    started(kube)
    written = json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"])
    assert written["fault"] == "agent_rollout-1"
    assert written["report_to"] == ["192.0.2.0:30953", "192.0.2.1:30953", "192.0.2.2:30953"]


def pod_of(kube: KubeObjects) -> dict[str, Any]:
    """What each agent's pod is made from."""
    spec: dict[str, Any] = kube.objects[DAEMONSET]["spec"]["template"]["spec"]
    return spec


def with_prober(kube: KubeObjects, image: str, secret: str) -> None:
    """A prober that runs an image from somewhere."""
    where = "/api/v1/namespaces/chaoslib-cp"
    service = {"selector": {"a": "b"}, "ports": [{"nodePort": 30953}]}
    kube.objects[f"{where}/services/workload-prober"] = {"metadata": {"name": "workload-prober"}, "spec": service}
    spec = {"containers": [{"name": "prober", "image": image}], "imagePullSecrets": [{"name": secret}]}
    kube.objects[f"{where}/pods/p"] = {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": spec}


PROBERS, CONFIGURED, GIVEN = "registry.example.org/prober:1", "registry.example.org/configured:1", "given:1"


@pytest.mark.parametrize(
    ("configured", "arguments", "image", "secret"),
    [
        ({}, {}, PROBERS, "of-prober"),
        ({"agent_image": ""}, {}, PROBERS, "of-prober"),
        ({"agent_image": CONFIGURED}, {}, CONFIGURED, "of-prober"),
        ({"agent_image": CONFIGURED, "image_pull_secret": "reg.cred"}, {}, CONFIGURED, "reg.cred"),
        ({"agent_image": CONFIGURED}, {"image": GIVEN, "image_pull_secret": "mine"}, GIVEN, "mine"),
    ],
)
def test_agents_run_the_probers_image_unless_another_is_named(
    kube: KubeObjects, configured: dict[str, str], arguments: dict[str, Any], image: str, secret: str
) -> None:
    """The cluster has shown that it can pull that one; the file says more exactly what is meant."""
    with_prober(kube, PROBERS, "of-prober")
    result = start_agent_rollout(PROFILE, duration_s=60.0, configuration=settings(kube, **configured), **arguments)
    spec = pod_of(kube)
    assert (spec["containers"][0]["image"], spec["imagePullSecrets"]) == (image, [{"name": secret}])
    assert (result["parameters"]["image"], result["parameters"]["image_pull_secret"]) == (image, secret)


def test_without_a_prober_it_is_the_image_of_this_version(kube: KubeObjects) -> None:
    """As a testbed, or kind with a loaded image, has it."""
    started(kube)
    assert pod_of(kube)["containers"][0]["image"] == f"chaoslib-cp:{VERSION}"
    assert "imagePullSecrets" not in pod_of(kube)


@pytest.mark.parametrize(
    ("key", "value"), [("agent_image", "a b"), ("agent_image", ["x"]), ("image_pull_secret", "Reg Cred")]
)
def test_what_is_no_image_or_secret_is_refused_with_its_key(kube: KubeObjects, key: str, value: Any) -> None:
    """Before anything is asked of the cluster, and before the baseline of a run."""
    configuration = settings(kube, **{key: value})
    with pytest.raises(ActivityFailed, match=rf"configuration\.{key} is .*nothing was changed"):
        start_agent_rollout(PROFILE, configuration=configuration)
    assert kube.server.requests == []
    assert len(list(image_refusals(read_settings(configuration)))) == 1


def test_agents_that_ask_for_an_old_version_are_told_that_of_the_rollouts_begin(kube: KubeObjects) -> None:
    """The runner may list nodes, whose version is that of their etcd, and so that of pods."""
    old = {"resourceVersion": "{resource_version}", "resourceVersionMatch": "Exact"}
    profile = {**PROFILE, "requests": [{"path": "/api/v1/pods", "query": old, "period_s": 10.0}]}
    start_agent_rollout(profile, duration_s=60.0, configuration=settings(kube))
    assert json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"])["resource_version"] == "7"


@pytest.mark.parametrize("own", [{"fault": "x"}, {"report_to": ["192.0.2.1:80"]}, {"marks": {"a": "b"}}])
def test_a_profile_may_not_say_whom_to_tell(kube: KubeObjects, own: dict[str, Any]) -> None:
    """Otherwise a file would send every agent's account wherever it likes."""
    with pytest.raises(ActivityFailed, match=r"load profile: \w+ is set by the rollout; nothing was changed"):
        start_agent_rollout({**PROFILE, **own}, duration_s=60.0, configuration=settings(kube))
    assert kube.writes() == []


@pytest.mark.parametrize("verb", ["get", "delete"])
@pytest.mark.parametrize(
    "resource", ["serviceaccounts", "configmaps", "daemonsets", "clusterroles", "clusterrolebindings"]
)
def test_nothing_is_made_that_could_not_be_taken_back(kube: KubeObjects, verb: str, resource: str) -> None:
    """A role that lets us create and not delete would leave the storm's objects in the cluster."""
    kube.denied.add((verb, resource))
    with pytest.raises(ActivityFailed, match=f"may not {verb} .*nothing was changed; apply the roles"):
        started(kube)
    assert kube.writes() == []
    assert open_logs() == []


def test_every_object_was_on_record_before_it_was_made(kube: KubeObjects) -> None:
    """At each create the undo log on disk already names the object."""
    seen = []

    def look(path: str) -> None:
        log = undo_log_of_run(read_settings(settings(kube)), ManualClock())
        assert log is not None
        seen.append((path, [str(item.entry).rpartition("/")[2].rpartition(" ")[2] for item in log.open_items()]))

    kube.on_create = look
    started(kube)
    assert len(seen) == 5
    for path, recorded in seen:
        assert path.rpartition("/")[2] in recorded


def test_stop_deletes_what_was_made_and_is_idempotent(kube: KubeObjects) -> None:
    """Rollbacks may be played twice, and for a rollout that never was."""
    assert (
        stop_agent_rollout(configuration=settings(kube))
        == Ended((), "rollback", details={"undone": 0, "left": 0, "outcomes": {}}).as_dict()
    )
    started(kube)
    assert stop_agent_rollout(configuration=settings(kube))["details"]["undone"] == 5
    assert ours(kube) == []
    assert stop_agent_rollout(configuration=settings(kube))["details"]["undone"] == 0
    assert leftovers(read_settings(settings(kube))) == []


def test_stop_uses_break_glass_where_the_runner_gets_no_answer(kube: KubeObjects) -> None:
    """The ordinary way may be locked out by the very fault we end."""
    started(kube)
    kube.fail_next("DELETE", "/", Answer(429), times=99, who="runner")
    stop_agent_rollout(timeout_s=5, configuration=settings(kube))
    assert ours(kube) == []
    by = [request.peer_name for request in kube.writes() if request.method == "DELETE"]
    assert by == ["user-runner", *["user-break-glass"] * 5]


def test_stop_says_what_is_left_and_keeps_it_on_record(kube: KubeObjects) -> None:
    """A failed rollback is an error, not silence; the log stays open for recover."""
    started(kube)
    kube.fail_next("DELETE", DAEMONSET, Answer(503), times=99)
    with pytest.raises(ActivityFailed, match=r"1 of 5 changes.*DaemonSet.*chaos cp recover"):
        stop_agent_rollout(timeout_s=0, configuration=settings(kube))
    assert ours(kube) == [DAEMONSET]
    assert leftovers(read_settings(settings(kube))) == ["DaemonSet kube-system/chaoslib-cp-agent-rollout-1"]
    kube.heal()
    assert recover()["healed"]
    assert ours(kube) == []


def test_a_failed_start_takes_back_its_halves(kube: KubeObjects) -> None:
    """The DaemonSet is refused: nothing of the other four stays."""
    kube.fail_next("POST", "/apis/apps", Answer(403))
    with pytest.raises(ActivityFailed, match=r"TargetRefused.*403"):
        started(kube)
    assert ours(kube) == []
    assert open_logs() == []


def test_a_create_without_answer_is_undone_whether_or_not_it_landed(kube: KubeObjects) -> None:
    """The lost reply: the object is there and nobody told us its UID."""
    kube.fail_next("POST", "/apis/apps", RESET, after_the_write=True)
    with pytest.raises(ActivityFailed, match="outcome is unknown"):
        started(kube)
    assert ours(kube) == []
    assert open_logs() == []


def test_a_create_that_may_still_land_stays_on_record_until_it_cannot(kube: KubeObjects) -> None:
    """Not there now is not proof while the server may still be working on it."""
    clock = ManualClock()
    with open_cluster(read_settings(settings(kube))) as cluster:
        log = undo_log_for_change(read_settings(settings(kube)), cluster, CLUSTER_UID, clock)
    log.intend(to_delete("DaemonSet", "kube-system", "chaoslib-cp-agent-rollout-1", RUN))
    clock.pass_s(10)
    early = recover(timeout_s=0, clock=clock)
    assert not early["healed"]
    assert "may land for another 55 s" in str(early)
    clock.pass_s(55)
    assert recover(timeout_s=0, clock=clock)["healed"]


def test_an_object_that_exists_already_is_not_taken_over(kube: KubeObjects) -> None:
    """Somebody's DaemonSet of that name survives start, stop and recover."""
    kube.objects[DAEMONSET] = {
        "kind": "DaemonSet",
        "metadata": {"name": "chaoslib-cp-agent-rollout-1", "uid": "theirs"},
    }
    with pytest.raises(ActivityFailed, match="409"):
        started(kube)
    stop_agent_rollout(configuration=settings(kube))
    recover()
    assert kube.objects[DAEMONSET]["metadata"]["uid"] == "theirs"


def test_an_object_that_somebody_recreated_is_left_alone(kube: KubeObjects) -> None:
    """Same name, another UID: not ours any more."""
    started(kube)
    kube.objects[DAEMONSET]["metadata"]["uid"] = "theirs"
    result = stop_agent_rollout(configuration=settings(kube))
    assert "left alone" in result["details"]["outcomes"]["DaemonSet kube-system/chaoslib-cp-agent-rollout-1"]
    assert DAEMONSET in kube.objects


def test_an_unmarked_cluster_gets_no_rollout(kube: KubeObjects) -> None:
    """Every start action repeats the gate."""
    kube.objects.pop("/api/v1/namespaces/kube-public/configmaps/chaoslib-cp-test-cluster")
    with pytest.raises(ActivityFailed, match=r"TargetRefused.*not marked"):
        started(kube)
    assert kube.writes() == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"namespace": "Kube System"}, "not a Kubernetes name"),
        ({"service_account": ""}, "not a Kubernetes name"),
        ({"duration_s": 0}, "duration_s is 0"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
        ({"duration_s": 1e308}, "duration_s"),
        ({"duration_s": "60"}, "duration_s is '60'"),
        ({"image": "-x y"}, "not an image name"),
        ({"expects": {"mood": "bad"}}, "expects is"),
        ({"expects": {"within_s": -1}}, "expects.within_s"),
        ({"profile": {"schema": 1, "requests": []}}, "requests"),
        ({"profile": {"schema": 1, "requests": [{"path": "/api/v1/secrets"}]}}, "never given"),
        ({"profile": {"schema": 1, "requests": [{"path": "${path}"}]}}, "placeholder"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(
    kube: KubeObjects, change: dict[str, Any], says: str
) -> None:
    """One line, nothing changed, no call made."""
    arguments = {"profile": PROFILE, "configuration": settings(kube), **change}
    with pytest.raises(ActivityFailed, match=says):
        start_agent_rollout(**arguments)
    assert kube.server.requests == []


def test_the_rollouts_progress_is_told_and_a_sick_api_is_an_outcome(kube: KubeObjects) -> None:
    """A probe never raises for a sick system."""
    started(kube)
    kube.objects[DAEMONSET]["status"] = {"desiredNumberScheduled": 4, "currentNumberScheduled": 4, "numberReady": 1}
    assert rollout_progress(configuration=settings(kube)) == {
        "ok": False, "outcome": "ok", "desired": 4, "scheduled": 4, "ready": 1, "ready_share": 0.25,
    }  # fmt: skip
    kube.objects[DAEMONSET]["status"]["numberReady"] = 4
    assert rollout_progress(configuration=settings(kube))["ok"] is True
    kube.fail_next("GET", DAEMONSET, HANG)
    seen = rollout_progress(timeout_s=0.5, configuration=settings(kube))
    assert (seen["ok"], seen["outcome"], seen["ready_share"]) == (False, "timeout", 0.0)


def test_no_credential_reaches_the_undo_log(kube: KubeObjects) -> None:
    """It says how to find the cluster again, not how to get in."""
    started(kube)
    text = (state_root() / "undo" / f"{RUN}.jsonl").read_text()
    assert "BEGIN" not in text
    assert ".key" not in text
