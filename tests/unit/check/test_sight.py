"""What nobody will see in a run is said before it, each cause in a sentence of its own, at the cost of two reads."""

from collections.abc import Callable

import pytest

from chaoslib_cp.check.sight import blind_spots
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.whole_cluster import IMAGE, POD, SERVICE, WholeCluster

DNS = ClusterDns("kube-system", "k8s-app=kube-dns", ("kube-dns",), ("10.96.0.10", "fd00:10:96::a"))
NOT_THERE = "nobody sees what workloads suffer"


def unready(whole: WholeCluster) -> None:
    """Let the prober crash."""
    state = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}}
    whole.pod["status"].update(conditions=[], containerStatuses=[state])


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda w: w.kube.rename_context("admin", "boss"),
         "admin: no context 'admin', there are: runner, boss, break-glass, observer, agent; what it would be asked is "
         "not measured; do: name one as configuration.admin_context, or make it: chaos cp kubeconfig"),
        (lambda w: w.kube.objects.pop(SERVICE),
         f"chaoslib-cp/workload-prober: there is no prober, so {NOT_THERE}; "
         "do: chaos cp manifests --image IMAGE | kubectl apply --filename -"),
        (lambda w: w.kube.objects.pop(POD),
         f"DaemonSet chaoslib-cp/workload-prober: has no pod, so {NOT_THERE}; "
         "do: kubectl --namespace chaoslib-cp describe daemonset"),
        (lambda w: w.add_prober("worker-2", "127.0.0.2"),
         "the page of node worker-2: does not answer here (127.0.0.2:PORT: refused); do: open that port from here to "
         "that node, or name an address that leads there: configuration.prober_pages"),
        (unready,
         "Pod chaoslib-cp/workload-prober-1: is not ready: CrashLoopBackOff: back-off 10s; "
         "do: kubectl --namespace chaoslib-cp logs workload-prober-1"),
        (lambda w: w.kube.objects[SERVICE]["spec"].update(ports=[{"nodePort": 1}]),
         "the prober's page: cannot be reached from here (127.0.0.1:1: refused); do: open that port from here to that "
         "node, or name an address that leads there: configuration.prober_pages"),
        (lambda w: w.tell_dns("10.96.0.99"),
         "DNS address of the prober (10.96.0.99): no Service of cluster DNS has it (10.96.0.10, "
         f"fd00:10:96::a has); do: chaos cp manifests --image {IMAGE} --cluster-dns 10.96.0.10 "
         "| kubectl apply --filename -"),
        (lambda w: w.kube.denied.clear(), ""),
        (lambda w: w.tell_dns("fd00:10:96:0::a"), ""),
    ],
)  # fmt: skip
def test_each_cause_is_a_sentence_with_its_fix(
    whole: WholeCluster, break_it: Callable[[WholeCluster], object], sentence: str
) -> None:
    """A context, the prober, the way to its page, the address that it asks; two questions to the API at most."""
    break_it(whole)
    told = [one.sentence(400) for one in blind_spots(whole.kube.settings(), DNS)]
    assert told == ([sentence.replace("PORT", str(whole.prober.port))] if sentence else [])
    assert len(whole.kube.server.requests) <= 2
    assert {(one.method, one.peer_name) for one in whole.kube.server.requests} == {("GET", "user-runner")}


def test_a_page_that_the_configuration_names_costs_no_question(whole: WholeCluster) -> None:
    """Nobody looks for a prober that somebody has found."""
    settings = whole.kube.settings(prober_pages=[f"127.0.0.1:{whole.prober.port}"])
    assert blind_spots(settings, DNS) == []
    assert whole.kube.server.requests == []


def test_a_prober_that_cannot_be_looked_for_is_no_end_of_a_run(kube: KubeObjects) -> None:
    """Why is said; the gate has passed, so the run goes on."""
    kube.fail_next("GET", SERVICE, Answer(403))
    [told] = blind_spots(kube.settings(), DNS)
    assert (told.level, told.on) == ("wrong", "chaoslib-cp/workload-prober")
