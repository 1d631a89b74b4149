"""Ask the DNS servers what thousands of clients ask."""

from typing import Any

from chaoslib_cp.activity import ABSENT, JsonList, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.dns import load
from chaoslib_cp.dns.fault import DNS_LOAD
from chaoslib_cp.fault import read_expects


def _load_plan(
    names: JsonList, image: str, image_pull_secret: str, expects: JsonObject, **planned: Any
) -> load.LoadPlan:
    usual = read_expects(expects, load.USUAL)
    return load.LoadPlan(names=tuple(names or ()), image=AgentImage(image, image_pull_secret), expects=usual, **planned)


@activity(_load_plan)
def start_dns_load(
    rate_per_s: float = 200.0,
    duration_s: float = 60.0,
    names: JsonList = ABSENT,
    hot_names: int = 200,
    written: str = "short",
    never_asked_share: float = 0.0,
    clients: int = 16,
    timeout_s: float = 5.0,
    attempts: int = 2,
    max_queries: int = 2000000,
    seed: int = 1,
    image: str = "",
    image_pull_secret: str = "",
    expects: JsonObject = ABSENT,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Look names of the cluster up, again and again, from every node that runs workloads; return without waiting.

    Creates a ServiceAccount without rights, a ConfigMap with the profile and a DaemonSet in namespace chaoslib-cp; each
    is in the undo log, on disk, before it is created. Its pods ask the nameserver that workloads of their node ask, as
    a C library does: A and AAAA at once, then the search list. They ask when it is time to, whatever became of what was
    asked before; nothing is cached in them. Names outside of the cluster's domain are never asked for.

    Args:
        rate_per_s: Lookups each second of all nodes together, 0.1 to 20000, and to 5000 for each node. A lookup is 2
            to 8 questions (``written``), more where DNS fails.
        duration_s: Every agent ends by itself this many seconds from now, with no API needed; 1 to 3600.
        names: Names that are looked up, without the cluster's domain ("api.shop.svc"), 200 at most; the cluster's
            Services without it.
        hot_names: How many names are asked again and again, 1 to 2000: ``names``, and then names of pods that do not
            exist ("198-18-0-1.chaoslib-cp.pod"). A CoreDNS with "pods insecure", as kubeadm ships it, has an address
            for each of these; others keep in their caches that there is none.
        written: How workloads write a name: "short" ("api.shop": 4 questions, 6 for a pod), "full"
            ("api.shop.svc.cluster.local": 8, for the whole search list comes first) or "absolute" (with a final dot:
            2).
        never_asked_share: Share of lookups of a name below a hot one that nobody asked for before, 0 to 1: no cache
            holds those.
        clients: Source ports on each node, 1 to 256. What is behind a Service's address is chosen for each port anew.
        timeout_s: Seconds for which an answer is waited for, 0.1 to 30; 5 as in glibc.
        attempts: How often a name is asked for where no answer, or SERVFAIL, comes, 1 to 5; 2 as in glibc.
        max_queries: Questions of all nodes together, 1 to 20000000; a node that has sent its part ends.
        seed: Of the order of names and moments, 0 or more.
        image: Image that holds this version of chaoslib_cp; without it ``agent_image`` of the configuration, else the
            image that the workload prober runs.
        image_pull_secret: Secret of namespace chaoslib-cp with which it is pulled; without it the key of that name in
            the configuration, else the name of the prober's.
        expects: What users of DNS are expected to suffer, where that is not that half of the cached questions fail for
            5 s within 60 s; ``start_agent_rollout`` tells the keys.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected`` (``chaoslib_cp/fault.py`` tells its keys): it delivers agents, on how many of how many nodes,
        and the lookups that they sent of those asked for, as their own accounts tell. ``deadline_epoch_s`` is when
        every agent ends; ``details`` has ``objects`` and ``nodes`` (that take workloads).

    Raises:
        ProfileInvalid: An argument is wrong, or a name leads out of the cluster (ExternalName): nothing was changed. Or
            the API server does not accept an object.
        TargetRefused: No permit for this cluster, a right is missing, or no node takes workloads: nothing was changed.
            Or such an object exists already.
        TargetUnreachable: The API does not answer, or stopped answering on the way.
        UndoFailed: The undo log cannot be read or written.

        Whatever was made before an error is taken back as far as the API lets us, and stays in the undo log otherwise.
    """
    plan = _load_plan(
        names,
        image,
        image_pull_secret,
        expects,
        rate_per_s=rate_per_s,
        duration_s=duration_s,
        hot_names=hot_names,
        written=written,
        never_asked_share=never_asked_share,
        clients=clients,
        timeout_s=timeout_s,
        attempts=attempts,
        max_queries=max_queries,
        seed=seed,
    )
    return load.start(plan, settings_of(configuration, secrets), SystemClock()).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_dns_load(
    timeout_s: float = 120.0,
    fault: str = "",
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Take back all that loads of lookups of this run made. For the rollbacks: may be played any number of times.

    Other faults of the run are left alone. Works from the undo log and the CA alone; while the API is sick it retries,
    as the runner and then as break-glass.

    Args:
        timeout_s: Seconds to go on trying, 0 to 3600.
        fault: Id of the one load to take back, for example ``dns_load-1``; all of this run without it.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Ended`` (``chaoslib_cp/fault.py`` tells its keys) of the faults that were taken back; of nothing when
        nothing was open. ``details`` has ``undone`` (number of objects), ``left`` (0) and ``outcomes`` by object.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range, or the run has no such load; nothing was undone.
        UndoFailed: Something is still there and stays in the undo log for ``chaos cp recover``; or the log cannot be
            read, and nothing was undone.
        TargetUnreachable: No identity could reach that cluster; nothing was undone.
        TargetRefused: Used without the control: nobody can tell which of several logs is meant, or the kubeconfig has
            no such context. Nothing was undone.
    """
    settings = settings_of(configuration, secrets)
    return take_back(settings, timeout_s, SystemClock(), DNS_LOAD.name, fault or None).as_dict()
