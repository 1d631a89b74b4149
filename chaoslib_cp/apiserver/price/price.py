"""A price: what one request costs, and what the agents of a cluster of another size would cost."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from chaoslib_cp.apiserver.price.ask import Budget, PriceAsk
from chaoslib_cp.apiserver.price.measure import Measuring
from chaoslib_cp.apiserver.price.rung import MeasuredRung
from chaoslib_cp.apiserver.price.scaled import count_objects
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.engine.capacity.agents import AgentCost, fit_agent_cost
from chaoslib_cp.engine.capacity.line import CONFIDENCE, FEWEST_POINTS, Estimate
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.settings import Settings

_NODES = "/api/v1/nodes"


def price(
    asked: PriceAsk, budget: Budget, settings: Settings, clock: Clock, say: Callable[[str], None]
) -> dict[str, Any]:
    """Play small loads of a profile against the marked cluster and price it. Nothing is made in the cluster.

    Args:
        asked: What to price.
        budget: What a prediction is asked for; what is over it is for ``budget.py`` to say.
        settings: Which cluster.
        clock: Source of time.
        say: Told how it goes.

    Returns:
        ``profile``, ``rate_per_s`` (requests of one node), ``cluster_nodes`` (null where nobody may count them),
        ``idle_cores``, ``rungs`` (``MeasuredRung.as_dict``), ``stopped`` (why the climb ended early; empty where it did
        not), ``per_request`` (``cpu_s``, ``bytes``, ``client_cpu_s``, and ``seats`` and ``allocated_bytes``, null where
        the servers do not tell), ``amplification`` (null where it is not known), ``rss_growth_bytes`` (of all servers,
        during the largest load), ``fit`` (``exponent`` of CPU against nodes times objects, ``fixed_s`` and
        ``per_object_s`` of a request, null where objects could not be varied, each as ``value``, ``low`` and ``high``;
        ``confidence``, ``points``; null where there is none), ``fit_unknown`` (why), ``prediction`` (``nodes``,
        ``objects_factor``, ``cores``, ``low``, ``high``, ``cores_reached_at_nodes``; null where none was asked for or
        there is no fit).

    Raises:
        ControlPlaneError: As :meth:`Measuring.measure`; or a prediction is asked for without a fit. Nothing is left.
    """
    if budget.nodes is not None and not asked.is_fitted:
        raise ProfileInvalid("a prediction needs several loads; nothing was sent; leave --no-fit out, or --nodes")
    measuring = Measuring(asked, settings, clock, say)
    measured = measuring.measure()
    nodes = _cluster_nodes(settings)
    rungs = [*measured.full, *measured.fewer]
    cost = fit_agent_cost([rung.point() for rung in rungs], measured.kinds) if asked.is_fitted else None
    return {
        "profile": measuring.scaled.profile.name,
        "rate_per_s": measuring.scaled.rate_per_s,
        "cluster_nodes": nodes,
        "idle_cores": measured.idle.cores,
        "rungs": [rung.as_dict() for rung in rungs],
        "stopped": measured.stopped,
        **_per_request(measured.full),
        "rss_growth_bytes": measured.full[-1].told["server_use"]["rss_growth_bytes"],
        "fit": _fit(cost) if cost else None,
        "fit_unknown": "" if cost else _why_no_fit(asked, rungs),
        "prediction": _prediction(cost, budget, nodes) if cost and budget.nodes is not None else None,
    }


def _per_request(rungs: Sequence[MeasuredRung]) -> dict[str, Any]:
    """Of all loads with all objects together: the largest weigh most, as they are known best."""
    requests = sum(rung.requests for rung in rungs)
    cpu_s, client_cpu_s = sum(rung.cpu_s for rung in rungs), sum(float(rung.told["client_cpu_s"]) for rung in rungs)
    seats = [rung.seats for rung in rungs]
    known_seats = [one for one in seats if one is not None]
    allocated = [rung.allocated_bytes for rung in rungs]
    known_bytes = [one for one in allocated if one is not None]
    seated = sum(count for count, _ in known_seats)
    return {
        "per_request": {
            "cpu_s": _each(cpu_s, requests),
            "bytes": _each(sum(int(rung.told["received_bytes"]) for rung in rungs), requests),
            "client_cpu_s": _each(client_cpu_s, requests),
            "seats": _each(sum(taken for _, taken in known_seats), seated),
            "allocated_bytes": _each(sum(known_bytes), requests) if len(known_bytes) == len(rungs) else None,
        },
        "amplification": round(cpu_s / client_cpu_s, 1) if client_cpu_s > 0 else None,
    }


def _each(total: float, count: float) -> float | None:
    return total / count if count else None


def _fit(cost: AgentCost) -> dict[str, Any]:
    return {
        "exponent": asdict(cost.exponent),
        "fixed_s": asdict(cost.request.at(0)) if cost.request else None,
        "per_object_s": asdict(cost.request.slope) if cost.request else None,
        "confidence": CONFIDENCE,
        "points": cost.points,
    }


def _why_no_fit(asked: PriceAsk, rungs: Sequence[MeasuredRung]) -> str:
    if not asked.is_fitted:
        return "one load was asked for"
    seen = sum(rung.cores > 0 for rung in rungs)
    if seen < FEWEST_POINTS:
        return f"{seen} of {len(rungs)} loads were seen beside what the servers do anyway; it takes {FEWEST_POINTS}"
    return "all loads had the same size"


def _prediction(cost: AgentCost, budget: Budget, cluster_nodes: int | None) -> dict[str, Any]:
    wanted = float(budget.nodes or 1)
    grows = budget.objects_factor is None and cluster_nodes is not None
    factor = wanted / (cluster_nodes or wanted) if grows else budget.objects_factor or 1.0
    cores: Estimate = cost.cores(wanted, factor)
    return {
        "nodes": budget.nodes,
        "objects_factor": factor,
        "cores": cores.value,
        "low": cores.low,
        "high": cores.high,
        "cores_reached_at_nodes": cost.nodes_at(budget.cores, cluster_nodes if grows else None)
        if budget.cores is not None
        else None,
    }


def _cluster_nodes(settings: Settings) -> int | None:
    """As the runner, who may list nodes; None where that is not so."""
    with open_cluster(settings) as cluster:
        return count_objects(cluster, _NODES) or None
