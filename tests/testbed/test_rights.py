"""The rights that are shipped are those that full runs use: counted in the API server's own audit log."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chaoslib_cp.agent.manifests import prober_manifests
from chaoslib_cp.cluster.gate.roles import OF_AGENTS, fault_roles, role_manifests
from chaoslib_cp.faults import fault_kinds
from tests.exported import exported
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, UP_WITHIN_S, Testbed, chaos_cp

pytestmark = pytest.mark.testbed

SPEC = "fake_nodes: 3\npods_per_fake_node: 1\nkubelet_nodes: 1\ndns_replicas: 1\naudit_log: true\n"
RUNNER, OBSERVER = "chaoslib-cp-runner", "chaoslib-cp-observer"
AGENT_READS = OF_AGENTS[0]
POISON_ROLE, ROGUE_ROLE, FLUSH_ROLE, PIN_ROLE, LOAD_ROLE = (
    f"chaoslib-cp-runner-{kind}" for kind in ("dns-poison", "dns-rogue", "dns-flush", "node-cache-pin", "dns-load")
)
OVERLOAD_ROLE = "chaoslib-cp-runner-api-overload"
REPLACE_ROLE = "chaoslib-cp-runner-endpoint-replacement"
FROM_PODS_ROLE = "chaoslib-cp-runner-api-overload-in-cluster"
RUN_LABEL = "chaoslib-cp/run"
DNS_LOOK = "dns_configuration_risks"
API_LOOK = "what_is_saturated"
DENIALS = part.amount("testbed, rights: rights taken away")
NO_AGENT_STARTS = """
import json, sys
from chaoslib_cp.rollout.actions import start_agent_rollout, stop_agent_rollout
from chaoslib_cp.cluster.agents.standing import agents_standing
from chaoslib_cp.settings import read_settings
profile = {"schema": 1, "requests": json.loads(sys.argv[2])}
made = start_agent_rollout(profile, namespace=sys.argv[1], duration_s=10.0)
agents_standing(read_settings(), made["fault"])
stop_agent_rollout()
"""
# Quicker than any CoreDNS can be armed: the Corefile is edited, the pods are touched, and both are taken back.
POISON = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.dns.actions import start_dns_poison
try:
    start_dns_poison("api.shop.svc.cluster.local", "nxdomain", duration_s=60.0, arm_within_s=1.0)
except ActivityFailed as error:
    print(error)
"""
# The same with time for a pod, in which a CoreDNS may be armed by chance.
ROGUE = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.dns.actions import start_dns_rogue, stop_dns_rogue
try:
    start_dns_rogue("api.shop.svc.cluster.local", "truth", delay_s=1.0, duration_s=60.0, arm_within_s=12.0)
    stop_dns_rogue(timeout_s=5.0)
    print("the DNS servers were armed")
except ActivityFailed as error:
    print("the DNS servers were armed" if "does not run the new Corefile" in str(error) else error)
"""
# Nobody waits for the servers: the Corefile is edited, the pods are touched, and both are taken back.
FLUSH = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.dns.actions import flush_dns_caches
try:
    print(flush_dns_caches(arm_within_s=1.0))
except ActivityFailed as error:
    print(error)
"""
# Nobody waits for the caches: the Corefile is edited, the pods are touched, and both are taken back.
PIN = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.dns.actions import start_node_cache_pin, stop_node_cache_pin
try:
    print(start_node_cache_pin(20, timeout_s=0.0))
    stop_node_cache_pin(timeout_s=5.0)
except ActivityFailed as error:
    print(error)
"""
REPLACE = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.dns.actions import replace_endpoints
try:
    print(replace_endpoints())
except ActivityFailed as error:
    print(error)
"""
# Nobody waits for its agents.
LOAD = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.cluster.agents.standing import agents_standing
from chaoslib_cp.dns.actions import start_dns_load, stop_dns_load
from chaoslib_cp.settings import read_settings
try:
    made = start_dns_load(5.0, 10.0)
    agents_standing(read_settings(), made["fault"])
    print(stop_dns_load(timeout_s=5.0))
except ActivityFailed as error:
    print(error)
"""
# Nobody waits for its pods; a run looks at its end for what is left.
FROM_PODS = """
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.apiserver.actions import start_api_overload_in_cluster, stop_api_overload_in_cluster
from chaoslib_cp.cluster.agents.standing import agents_standing
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.settings import read_settings
profile = {"schema": 1, "requests": [{"path": "/metrics", "period_s": 10.0}]}
try:
    made = start_api_overload_in_cluster(profile, 1, 1, duration_s=5.0, begin_in_s=0.0)
    agents_standing(read_settings(), made["fault"])
    leftovers(read_settings())
    print(stop_api_overload_in_cluster(timeout_s=5.0))
except ActivityFailed as error:
    print(error)
"""
# Every kind of write, and the runner takes back what came of them.
OVERLOAD = """
import time
from chaoslib.exceptions import ActivityFailed
from chaoslib_cp.apiserver.actions import start_api_overload, stop_api_overload
# Leases are deleted once, at the begin: the runner is to find some at the end.
periods_s = {"create-events": 1.0, "renew-leases": 1.0, "patch-node-status": 1.0, "delete-leases": 60.0}
requests = [{"pattern": name, "period_s": period_s} for name, period_s in periods_s.items()]
try:
    start_api_overload({"schema": 1, "requests": requests, "phase_ratio": 0}, nodes=2, duration_s=30.0)
    time.sleep(4)
    print(stop_api_overload())
except ActivityFailed as error:
    print(error)
"""
QUICKLY = {
    OVERLOAD_ROLE: (OVERLOAD, "'faults': ['api_overload-1']"),
    POISON_ROLE: (POISON, "does not run the new Corefile"),
    ROGUE_ROLE: (ROGUE, "the DNS servers were armed"),
    FLUSH_ROLE: (FLUSH, "'kind': 'dns_flush'"),
    PIN_ROLE: (PIN, "'kind': 'node_cache_pin'"),
    REPLACE_ROLE: (REPLACE, "'kind': 'endpoint_replacement'"),
    LOAD_ROLE: (LOAD, "'faults': ['dns_load-1']"),
    FROM_PODS_ROLE: (FROM_PODS, "'faults': ['api_overload_in_cluster-1']"),
}
# Kubernetes gives these to everybody who is authenticated: health, versions, questions about one's own rights.
FOR_EVERYBODY = ('ClusterRole "system:discovery"', 'ClusterRole "system:public-info-viewer"', '"system:basic-user"')


class Right(NamedTuple):
    """One verb on one thing; for a path that is no resource, ``resource`` is the path."""

    user: str
    namespace: str
    group: str
    resource: str
    name: str
    verb: str


@pytest.fixture(scope="module")
def audited(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
    """A testbed that keeps an audit log, on which everything has been played that needs a right."""
    folder, name = tmp_path_factory.mktemp("audited"), f"audit-{os.getpid()}"
    (folder / "audited.yaml").write_text(SPEC)
    ended = chaos_cp("up", str(folder / "audited.yaml"), "--name", name, "--json", timeout_s=UP_WITHIN_S)
    try:
        assert ended.returncode == 0, ended.stderr
        testbed = Testbed(name, json.loads(ended.stdout))
        for verb, namespace in (("list", "kube-system"), ("get", "chaoslib-cp"), ("watch", "kube-system")):
            play(testbed, folder, verb, namespace)
        for namespace in ("kube-system", "chaoslib-cp"):
            look_at_agents_that_cannot_start(testbed, namespace)
        assert [role for role in QUICKLY if not played_quickly(testbed, role)] == []
        yield testbed
    finally:
        chaos_cp("down", "--name", name)


def play(testbed: Testbed, folder: Path, verb: str, namespace: str) -> None:
    """One whole run: gate, baseline, rollout with every read an agent may do, DNS restart, removal, evidence."""
    assert complaints(testbed, folder / verb, full_run(agent_requests(verb), namespace)) == []


def look_at_agents_that_cannot_start(testbed: Testbed, namespace: str) -> None:
    """Only where no agent runs, and no pod could say why, are events read."""
    requests = agent_requests("list")[:1]
    testbed.kubectl("--namespace", namespace, "create", "quota", "no-pods", "--hard=pods=0")
    ended = testbed.run("python", "-c", NO_AGENT_STARTS, namespace, json.dumps(requests), timeout_s=120)
    testbed.kubectl("--namespace", namespace, "delete", "quota", "no-pods")
    assert ended.returncode == 0, ended.stderr


def played_quickly(testbed: Testbed, role: str) -> bool:
    """Play a fault that takes long until it is seen, without that; returns whether it came as far as that."""
    code, words = QUICKLY[role]
    ended = testbed.run("python", "-c", code, timeout_s=120)
    assert ended.returncode == 0, ended.stderr
    return words in ended.stdout


def test_every_action_is_in_the_run_whose_rights_are_counted() -> None:
    """One that is added later is counted, or this fails; an administrator's rights are no role of ours."""
    played = {one["name"] for one in full_run([], "default")["method"] if one["type"] == "action"}
    quickly = {place for kind in fault_kinds() if kind.rights for place in (kind.start, kind.stop)}
    quickly = {place.partition(":")[2] for place in quickly if place}
    assert {one.name for one in exported("action")} == played | quickly | {"remove_agent"}


def complaints(testbed: Testbed, folder: Path, experiment: dict[str, Any]) -> list[str]:
    """Play an experiment and return what the run says went wrong; whatever it was, nothing of it is left."""
    folder.mkdir()
    (folder / "experiment.json").write_text(json.dumps(experiment))
    ended = testbed.run(*CHAOS, "--no-version-check", "run", "experiment.json", cwd=folder, timeout_s=240)
    left = testbed.get("daemonsets,configmaps,serviceaccounts,clusterroles,clusterrolebindings", "-A", "-l", RUN_LABEL)
    assert left["items"] == []
    summaries = [json.loads(path.read_text()) for path in folder.glob("runs/*/summary.json")]
    if not summaries:
        assert ended.returncode != 0
        return ended.stderr.splitlines()[-5:] or ["it ended without a word"]
    [summary] = summaries
    unknown = [f"{key}: {value}" for key in ("scale", "versions") if "unknown" in (value := str(summary[key]))]
    return list(summary["why"] if summary["verdict"] != "held" else []) + unknown + not_seen(folder)


def not_seen(folder: Path) -> list[str]:
    """What the looks at the DNS configuration and at the API servers were not allowed to see."""
    [journal] = folder.glob("runs/*/journal.json")
    looks = [one for one in json.loads(journal.read_text())["run"] if one["activity"]["name"] in (DNS_LOOK, API_LOOK)]
    return [line for look in looks for line in look["output"]["not_seen"]]


def agent_requests(verb: str) -> list[dict[str, Any]]:
    """A request for each thing that agents may be told to read."""
    requests: list[dict[str, Any]] = []
    for right in sorted(granted()[AGENT_READS]):
        if right.resource.startswith("/"):
            requests.append({"path": right.resource})
            continue
        path = f"/apis/{right.group}/v1/{right.resource}" if right.group else f"/api/v1/{right.resource}"
        if right.verb == verb:
            requests.append({"path": f"{path}/one" if verb == "get" else path})
            requests[-1]["query"] = {"watch": "1"} if verb == "watch" else {}
    # an agent that has not begun within its 20 s would be missed
    return [{"period_s": 10.0, **request} for request in requests]


def full_run(requests: list[dict[str, Any]], namespace: str) -> dict[str, Any]:
    """An experiment with every activity that changes something through the API, but for what takes longer."""
    profile = {"schema": 1, "name": "rights", "requests": requests, "request_timeout_s": 1.0}
    rollout = {"namespace": namespace, "duration_s": 20.0, "profile": profile}
    load = {**profile, "requests": [{"path": "/version", "period_s": 2.0}]}
    overload = {"nodes": 2, "duration_s": 20.0, "profile": load}
    ramp = {"first_nodes": 2, "max_nodes": 2, "dwell_s": 6.0, "hold_s": 0.0, "profile": load}
    restart = {"coupling": "delete-pods", "wait_for_fresh_cache": False}
    undo = activity("rollout.actions", "stop_agent_rollout")
    # not DNS, whose only server is killed here: on a busy machine it comes back later than its answers are kept
    healthy = activity("apiserver.probes", "api_health", kind="probe")
    return {
        "title": "Every right that is shipped is used",
        "description": "For the audit log.",
        "extensions": [{"name": "chaoslib_cp", "schema": 1, "run_name": "rights"}],
        "configuration": {
            "infrastructure": "none",
            # the faults last too short for 5 looks at the usual periods
            "observe_periods_s": dict.fromkeys(("api_livez", "api_version", "api_read"), 1.0),
        },
        "runtime": {"hypothesis": {"strategy": "continuously"}, "rollbacks": {"strategy": "always"}},
        "controls": [{"name": "chaoslib_cp", "provider": {"type": "python", "module": "chaoslib_cp.control"}}],
        "steady-state-hypothesis": {
            "title": "The API answers",
            "probes": [{**healthy, "tolerance": {"type": "range", "target": "ok", "range": [1, 1]}}],
        },
        "method": [
            activity("rollout.actions", "start_agent_rollout", rollout),
            activity("apiserver.actions", "start_api_overload", overload),
            activity("apiserver.actions", "ramp_until_saturated", ramp),
            activity("rollout.probes", "rollout_progress", kind="probe"),
            activity("dns.probes", DNS_LOOK, kind="probe"),
            activity("apiserver.probes", API_LOOK, {"window_s": 1.0}, kind="probe"),
            # time for the agents to begin and for the claim to be looked at: else nothing was delivered, or seen
            {**activity("dns.actions", "restart_dns_pods", restart), "pauses": {"before": 10}},
            activity("apiserver.actions", "stop_api_overload"),
            activity("apiserver.actions", "stop_ramp"),
            undo,
        ],
        "rollbacks": [
            undo,
            activity("apiserver.actions", "stop_api_overload"),
            activity("apiserver.actions", "stop_ramp"),
        ],
    }


def activity(area: str, name: str, arguments: dict[str, Any] | None = None, kind: str = "action") -> dict[str, Any]:
    """One activity of an experiment."""
    provider = {"type": "python", "module": f"chaoslib_cp.{area}", "func": name, "arguments": arguments or {}}
    return {"type": kind, "name": name, "provider": provider}


def granted() -> dict[str, set[Right]]:
    """What `chaos cp manifests` asks an owner for, by the name of the role."""
    found: dict[str, set[Right]] = {}
    for role in [*role_manifests(), *fault_roles(fault_kinds()), *prober_manifests("10.96.0.10", "image")]:
        if role["kind"] not in ("Role", "ClusterRole"):
            continue
        name, namespace = role["metadata"]["name"], role["metadata"].get("namespace", "")
        user = OBSERVER if name == OBSERVER else RUNNER
        for rule in role["rules"]:
            found.setdefault(name, set()).update(
                Right(user, namespace, group, resource, only, verb)
                for group in rule.get("apiGroups", [""])
                for resource in [*rule.get("resources", []), *rule.get("nonResourceURLs", [])]
                for only in rule.get("resourceNames", [""])[:1]  # the others are for a run's further rollouts
                for verb in rule["verbs"]
            )
    return found


def records(testbed: Testbed) -> list[dict[str, Any]]:
    """The audit log's lines about the library's two identities."""
    log = Path(testbed.state["logs"]) / "kube-apiserver-0-audit.log"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line["user"]["username"] in (RUNNER, OBSERVER)]


def is_used(right: Right, log: list[dict[str, Any]]) -> bool:
    """Whether some request needed this right."""
    for line in log:
        asked = line.get("objectRef") or {"resource": line["requestURI"].partition("?")[0]}
        if (
            (line["user"]["username"], line["verb"]) == (right.user, right.verb)
            and (asked.get("apiGroup", ""), asked.get("resource")) == (right.group, right.resource)
            and right.namespace in ("", asked.get("namespace"))
            and right.name in ("", asked.get("name"))
        ):
            return True
    return False


def handed_on(log: list[dict[str, Any]]) -> set[Right]:
    """What the runner granted to agents: he must hold it himself."""
    return {
        Right(RUNNER, "", group, resource, "", verb)
        for line in log
        if line["verb"] == "create" and (line.get("objectRef") or {}).get("resource") == "clusterroles"
        for rule in line["requestObject"]["rules"]
        for group in rule.get("apiGroups", [""])
        for resource in [*rule.get("resources", []), *rule.get("nonResourceURLs", [])]
        for verb in rule["verbs"]
    }


def test_every_right_is_used_and_none_is_missing(audited: Testbed) -> None:
    """Take a verb away and a request is forbidden; add one and nobody uses it: either way this fails."""
    log = records(audited)
    roles = granted()
    forbidden = [line["requestURI"] for line in log if line["annotations"]["authorization.k8s.io/decision"] != "allow"]
    assert forbidden == []
    own = set().union(*(rights for name, rights in roles.items() if name not in OF_AGENTS))
    assert {right for right in own if not is_used(right, log)} == set()
    assert roles[AGENT_READS] == handed_on(log)
    note("rights", granted=len(own) + len(roles[AGENT_READS]), unused=0, forbidden=len(forbidden))


def test_what_the_library_does_needs_no_right_meant_for_agents(audited: Testbed) -> None:
    """An owner may cut the agents' reads down without breaking the gate, the restart of DNS, or the way back."""
    own = set().union(*(rights for name, rights in granted().items() if name not in OF_AGENTS))
    for line in records(audited):
        if any(role in line["annotations"]["authorization.k8s.io/reason"] for role in FOR_EVERYBODY):
            continue
        assert any(is_used(right, [line]) for right in own), line


def rights_to_deny() -> list[tuple[str, Right]]:
    """The library's own rights, and one of each verb meant for agents; all of them or a few spread evenly."""
    roles = granted()
    agents = {right.verb: right for right in sorted(roles[AGENT_READS])}
    every = [(RUNNER, right) for right in sorted(roles[RUNNER])]
    every += [(role, right) for role in QUICKLY for right in sorted(roles[role])]
    every += [(AGENT_READS, right) for right in agents.values()]
    count = min(DENIALS, len(every))
    return [every[number * len(every) // count] for number in range(count)]


@pytest.mark.proof
@pytest.mark.parametrize(
    ("role", "right"), rights_to_deny(), ids=lambda one: "-".join(one[1:]) if isinstance(one, Right) else ""
)
def test_a_right_that_is_taken_away_is_missed(audited: Testbed, tmp_path: Path, role: str, right: Right) -> None:
    """A run without it says so, and leaves nothing."""
    kind = ["role", role, "-n", right.namespace] if right.namespace else ["clusterrole", role]
    # they may cover the same thing
    others = [] if role == AGENT_READS else [["clusterrole", AGENT_READS]]
    beside = {one for one, rights in granted().items() if right.namespace in {other.namespace for other in rights}}
    others += [["role", one, "-n", right.namespace] for one in QUICKLY if role in QUICKLY and one in beside - {role}]
    whole = {tuple(one): audited.get(*one)["rules"] for one in (kind, *others)}
    requests = [{"path": "/version", "period_s": 10.0}]
    if role == AGENT_READS:
        requests = agent_requests(right.verb)
    for other in others:
        patch(audited, other, [])
    patch(audited, kind, [without(rule, right) for rule in whole[tuple(kind)]])
    try:
        until_reviewed(audited, right, "no")
        if role in QUICKLY:
            assert not played_quickly(audited, role)
        else:
            experiment = full_run(requests, right.namespace or "kube-system")
            assert complaints(audited, tmp_path / "denied", experiment) != []
        note("denied", rights=1)
    finally:
        for one, rules in whole.items():
            patch(audited, list(one), rules)
        until_reviewed(audited, right, "yes")


def without(rule: dict[str, Any], right: Right) -> dict[str, Any]:
    """The rule without one verb."""
    things = [*rule.get("resources", []), *rule.get("nonResourceURLs", [])]
    is_named = right.name == rule.get("resourceNames", [""])[0]
    is_meant = right.resource in things and right.group in rule.get("apiGroups", [""]) and is_named
    return {**rule, "verbs": [verb for verb in rule["verbs"] if not (is_meant and verb == right.verb)] or ["none"]}


def patch(testbed: Testbed, kind: list[str], rules: list[dict[str, Any]]) -> None:
    """Give a role other rules."""
    testbed.kubectl("patch", *kind, "--type=merge", f"--patch={json.dumps({'rules': rules})}")


def until_reviewed(testbed: Testbed, right: Right, answer: str) -> None:
    """Wait until the API server has taken a change of roles in."""
    what = right.resource if right.resource.startswith("/") else f"{right.resource}.{right.group}".rstrip(".")
    named = [f"{what}/{right.name}"] if right.name else [what]
    where = ["-n", right.namespace] if right.namespace else []
    asked = ("kubectl", "--context", "runner", "auth", "can-i", right.verb, *named, *where)
    until(lambda: testbed.run(*asked).stdout.strip() == answer, f"{answer} to {asked}")
