"""The stack: which components start in which order, when each counts as ready, and how they are kept running."""

import asyncio
import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.dns_message import query_for
from chaoslib_cp.errors import ControlPlaneError, TestbedFailed
from chaoslib_cp.testbed import addresses, bootstrap, components, identities, kwok, network
from chaoslib_cp.testbed.api import ApiClient
from chaoslib_cp.testbed.cgroups import UNLIMITED, CgroupTree, backend
from chaoslib_cp.testbed.components import VOLATILE, Layout
from chaoslib_cp.testbed.fill import fill_nodes, fill_pods
from chaoslib_cp.testbed.instance import Instance
from chaoslib_cp.testbed.node.config import CRASH_FILE
from chaoslib_cp.testbed.process import Component, Process
from chaoslib_cp.testbed.spec import ClusterSpec

POLL_PERIOD_S = 0.05
DEATH_SHOWS_WITHIN_S = 2.0
READY_WITHIN_S = 120.0
DNS_QUESTION = f"kubernetes.default.svc.{addresses.CLUSTER_DOMAIN}."
DNS_DEADLINE_S = 0.5


class Stack:
    """All components of one testbed, in its namespaces.

    Args:
        spec: what to bring up.
        instance: where its files go.
        programs: folder with the programs.
        rootless: whether this is the root of a user namespace only.
    """

    def __init__(self, spec: ClusterSpec, instance: Instance, programs: Path, rootless: bool) -> None:
        self._spec = spec
        self._layout = Layout(instance, programs)
        self._rootless = rootless
        self._clock = SystemClock()
        self._cgroups = CgroupTree(instance.cgroup_name, backend())
        self._processes: dict[str, Process] = {}
        self._balanced = list(range(spec.api_servers))

    def start(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Start everything, wait until nodes are Ready and DNS answers, then apply the quotas.

        The quotas come last because filling a cluster is the installer's work, not the rehearsal's.

        Returns:
            Facts for the state file: the cgroup backend, the cluster's UID and version.

        Raises:
            TestbedFailed: a component died or did not get ready; the message holds its last words.
        """
        try:
            return self._bring_up(say)
        except (ControlPlaneError, OSError, http.client.HTTPException) as error:
            crashes = self._crashes_in(DEATH_SHOWS_WITHIN_S)
            words = " ".join(str(error).split())
            seen_as = words if isinstance(error, ControlPlaneError) else f"{type(error).__name__}: {words}"
            raise TestbedFailed(f"{'; '.join(crashes)}; seen as: {seen_as}" if crashes else seen_as) from error

    def keep_running(self) -> None:
        """Restart what died, and send new API connections only to servers that run."""
        for process in self._processes.values():
            process.restart_if_due()
        alive = [index for index in range(self._spec.api_servers) if self._api_server(index).is_alive()]
        if alive != self._balanced:
            network.balance(alive)
            self._balanced = alive

    def components(self) -> dict[str, dict[str, Any]]:
        """Return for each component whether it is alive, and how often it was restarted."""
        return {
            name: {"alive": process.is_alive(), "restarts": process.restarts}
            for name, process in self._processes.items()
        }

    def _bring_up(self, say: Callable[[str], None]) -> dict[str, Any]:
        self._prepare()
        say("network and certificates")
        self._start_all(self._api_components())
        api = ApiClient(identities.access(self._layout, "break-glass"))
        self._wait("the API server", api.missing_readiness)
        say("etcd and API server")
        uid = bootstrap.cluster_uid(api) or ""
        bootstrap.create_objects(api, self._spec, uid, limits_enforced=self._cgroups.kind != "none")
        self._start_all(self._cluster_components())
        self._fill(api, say)
        self._wait_for_cluster(api, say)
        self._limit()
        version = (api.get("/version") or {}).get("gitVersion")
        api.close()
        return {"cgroups": self._cgroups.kind, "cluster_uid": uid, "kubernetes_version": version}

    def _prepare(self) -> None:
        self._layout.instance.logs.mkdir(exist_ok=True)
        identities.write(self._layout, self._spec)
        # hides the machine's /run: network namespaces made here are nobody else's, and end with the mount namespace
        network.run_with_input(["mount", "-t", "tmpfs", "tmpfs", "/run"], "")
        Path("/run/netns").mkdir()
        VOLATILE.mkdir()
        network.set_up(self._spec.api_servers, self._spec.kubelet_nodes)

    def _api_components(self) -> list[Component]:
        servers = [components.api_server(self._layout, self._spec, index) for index in range(self._spec.api_servers)]
        return [components.etcd(self._layout), *servers]

    def _cluster_components(self) -> list[Component]:
        config = self._layout.config
        nodes = [components.node(self._layout, index + 1, self._rootless) for index in range(self._spec.kubelet_nodes)]
        return [
            components.controller_manager(self._layout),
            components.scheduler(self._layout),
            components.kube_proxy(self._layout),
            components.outside_resolver(self._layout),
            *nodes,
            kwok.component(self._layout.program("kwok"), self._layout.kubeconfig("kwok"), config / "kwok.yaml"),
            components.farm(self._layout),
        ]

    def _start_all(self, wanted: list[Component]) -> None:
        for component in wanted:
            # quotas come at the end of the start, memory limits too
            files = self._cgroups.make(component.name, UNLIMITED)
            log = self._layout.instance.logs / f"{component.name}.log"
            process = Process(component, log, files, self._clock)
            self._processes[component.name] = process
            process.start()

    def _fill(self, api: ApiClient, say: Callable[[str], None]) -> None:
        spec, access = self._spec, identities.access(self._layout, "break-glass")
        fill_pods(access, spec.fake_nodes, spec.pods_per_fake_node, spec.pod_bytes, self._refuse_crashes)
        say(f"{spec.fake_nodes * spec.pods_per_fake_node} filler pods created")
        # the controllers untaint new nodes one by one, 20 a second: those that run pods come first
        names = [addresses.node_name(index + 1) for index in range(spec.kubelet_nodes)]
        self._wait("the kubelets", lambda: bootstrap.missing_kubelets(api, names))
        say("kubelets ready for pods")
        fill_nodes(access, spec.fake_nodes, self._refuse_crashes)
        say(f"{spec.fake_nodes} fake nodes created")

    def _wait_for_cluster(self, api: ApiClient, say: Callable[[str], None]) -> None:
        wanted = self._spec.fake_nodes + self._spec.kubelet_nodes
        self._wait("the controllers", lambda: bootstrap.missing_accounts(api))
        self._wait("the nodes", lambda: bootstrap.missing_nodes(api, wanted))
        say("all nodes Ready")
        self._wait("cluster DNS", self._missing_dns)
        say("cluster DNS answers")
        self._wait("the workload probers", lambda: bootstrap.missing_probers(api, self._spec.kubelet_nodes))
        say("workload probers running")
        self._wait("the filler pods", lambda: bootstrap.missing_filler(api))
        say("filler pods running")

    def _wait(self, what: str, missing: Callable[[], str]) -> None:
        """Wait until ``missing`` returns "", watching every component meanwhile."""
        ends_at_s = self._clock.monotonic_s() + READY_WITHIN_S
        while reason := missing():
            if self._crashes():
                raise TestbedFailed(f"no sign of {what}: {reason}")
            if self._clock.monotonic_s() > ends_at_s:
                raise TestbedFailed(f"{what}: not there after {READY_WITHIN_S:.0f} s: {reason}")
            self._clock.sleep(POLL_PERIOD_S)

    def _crashes(self) -> list[str]:
        """Return the last words of what has died so far, kubelets included; during a start nothing is restarted."""
        dead = [process.last_words() for process in self._processes.values() if not process.is_alive()]
        return dead + [file.read_text() for file in sorted(self._layout.nodes.glob(f"*/{CRASH_FILE}"))]

    def _crashes_in(self, patience_s: float) -> list[str]:
        """Return the same, once there are any: a process closes its connections a little before it counts as dead."""
        ends_at_s = self._clock.monotonic_s() + patience_s
        while not (crashes := self._crashes()) and self._clock.monotonic_s() < ends_at_s:
            self._clock.sleep(POLL_PERIOD_S)
        return crashes

    def _refuse_crashes(self) -> None:
        if self._crashes():
            raise TestbedFailed("the cluster is half filled")

    def _missing_dns(self) -> str:
        servers = [addresses.CLUSTER_DNS]
        servers += [addresses.node_cache(index + 1) for index in range(self._spec.kubelet_nodes)]
        query = query_for(DNS_QUESTION, "A")
        outcomes = {server: asyncio.run(dns.ask(server, query, DNS_DEADLINE_S)).outcome for server in servers}
        return ", ".join(f"{server} says {outcome}" for server, outcome in outcomes.items() if outcome != "ok")

    def _limit(self) -> None:
        for process in self._processes.values():
            if process.component.limits != UNLIMITED:
                self._cgroups.limit(process.component.name, process.component.limits)

    def _api_server(self, index: int) -> Process:
        return self._processes[f"kube-apiserver-{index}"]
