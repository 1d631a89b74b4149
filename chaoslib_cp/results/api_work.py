"""Who watches the watcher: what of the API servers' work in a run was the agents', and what our own observer's.

Requests and bytes are counted by our own clients. What the servers executed is their own word, by FlowSchema, and so is
the time of execution: a request counts with its time whatever number of seats it took. Seats times seconds are told by
nobody.
Kubernetes tells no CPU time by client or flow; none is told here either.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chaoslib_cp.fault import API_FLOWS, API_WORK, DNS_LOAD, LOAD_CPU
from chaoslib_cp.results.delivery import delivered
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent
from chaoslib_cp.results.recording import Event, Recording
from chaoslib_cp.vantage import AGENT_LOAD, asked_by_observer

_MOST_FLOWS: Final = 12
_COUNTS: Final = ("requests", "rejected", "execution_s", "seats")
_NOT_READ: Final = "what the API servers did was not read at the begin and at the end of the run"
Flow = tuple[str, str]


def api_work(recording: Recording, faults: Faults | None) -> dict[str, Any]:
    """Sum up what the API servers did between the begin and the end of a run, and whose it was.

    Returns:
        ``unknown``: why not, one line each; empty where all is known. ``requests`` (dispatched and rejected),
        ``execution_s`` (seconds of execution of all dispatched requests together, the waiting in queues left out) and
        ``cpu_s`` of all servers; null where it was not read. ``flows``: by ``flow_schema`` and ``priority_level``,
        the busiest first, ``requests``, ``rejected``, ``execution_s``, ``seats`` (counted for its requests, one
        by one), ``execution_share`` (0..1), and ``ours``: who of
        ours is among those who ask there. ``agents`` and ``observer``: ``requests``, ``request_share`` (of all
        requests, 0..1) and ``received_bytes``, null where nobody told.
    """
    flows, cpu_s, unknown = _between(recording)
    names = _flow_schemas(recording)
    total = sum(one["requests"] for one in flows.values()) if flows else None
    execution_s = sum(one["execution_s"] for one in flows.values())
    told = [
        {
            "flow_schema": schema,
            "priority_level": level,
            **counts,
            "execution_share": round(counts["execution_s"] / execution_s, 4) if execution_s else None,
            "ours": [who for who, of in names.items() if of == schema],
        }
        for (schema, level), counts in sorted(flows.items(), key=lambda item: -item[1]["execution_s"])
    ]
    return {
        "unknown": unknown,
        "requests": total,
        "execution_s": round(execution_s, 3) if flows else None,
        "cpu_s": cpu_s,
        "flows": told[:_MOST_FLOWS],
        "agents": _share(_agents(recording, faults), total),
        "observer": _share(_observer(recording), total),
    }


def agent_request_share(recording: Recording, faults: Faults) -> Figure:
    """Share (0..1) of the requests that API servers dispatched or rejected in the run that were the agents'."""
    return _share_figure(recording, faults, "agents", "no agents told what they sent to the API servers")


def observer_request_share(recording: Recording, faults: Faults | None) -> Figure:
    """The same of our own observer."""
    return _share_figure(recording, faults, "observer", "the observer asked nothing")


def _share_figure(recording: Recording, faults: Faults | None, who: str, nobody: str) -> Figure:
    told = api_work(recording, faults)
    share = told[who]["request_share"]
    if share is not None:
        return Figure(share)
    return absent(told["unknown"][0] if told["unknown"] else nobody)


def _between(recording: Recording) -> tuple[dict[Flow, dict[str, float]], float | None, list[str]]:
    """What each flow got between the first and the last reading of each server, and their CPU seconds."""
    events = recording.named(API_WORK)
    unknown = list(dict.fromkeys(str(event.details["unknown"]) for event in events if event.details.get("unknown")))
    by_server: dict[str, list[Event]] = {}
    for event in events:
        if event.details.get("server"):
            by_server.setdefault(str(event.details["server"]), []).append(event)
    flows: dict[Flow, dict[str, float]] = {}
    cpu_s = 0.0
    for server, told in by_server.items():
        first, last = told[0], told[-1]
        if first is last:
            unknown.append(f"{server}: read once alone")
        elif first.details.get("started_s") != last.details.get("started_s"):
            unknown.append(f"{server}: restarted in the run, or another server answers there: what it did is lost")
        else:
            cpu_s += float(last.details.get("cpu_s") or 0) - float(first.details.get("cpu_s") or 0)
            _add(flows, first.details.get("flows"), last.details.get("flows"))
    if not flows and not unknown:
        unknown = [_NOT_READ]
    return flows, round(cpu_s, 3) if flows else None, unknown


def _add(flows: dict[Flow, dict[str, float]], first: Any, last: Any) -> None:
    before = {(row[0], row[1]): row[2:] for row in _rows(first)}
    for row in _rows(last):
        flow = (str(row[0]), str(row[1]))
        earlier = before.get(flow, [0.0] * len(_COUNTS))
        grown = [float(now) - float(then) for now, then in zip(row[2:], earlier, strict=True)]
        counts = flows.setdefault(flow, dict.fromkeys(_COUNTS, 0.0))
        for name, more in zip(_COUNTS, (grown[0] + grown[1], *grown[1:]), strict=True):
            counts[name] = round(counts[name] + more, 3)


def _rows(told: Any) -> Sequence[Sequence[Any]]:
    """Rows of schema, level, dispatched, rejected, execution time and seats; a line that was cut has none."""
    return [row for row in told if len(row) == 2 + len(_COUNTS)] if isinstance(told, list) else []


def _flow_schemas(recording: Recording) -> dict[str, str]:
    """Name of the FlowSchema of the observer, and of each load that knows its own."""
    told = recording.named(API_FLOWS)
    facts: Mapping[str, Any] = told[-1].details if told else {}
    schemas = facts.get("schemas") or {}
    found = {"observer": str(facts.get("observer") or "")}
    found |= {str(one.details["fault"]): str(one.details.get("flow_schema") or "") for one in recording.named(LOAD_CPU)}
    return {who: str(schemas.get(uid, uid)) for who, uid in found.items() if uid}


def _agents(recording: Recording, faults: Faults | None) -> dict[str, int | None]:
    """Answers that agents of all faults got of the API servers; those that look names up ask DNS."""
    each = [
        delivered(recording.samples, fault.id, None, fault.began_s, recording.ends_at_s)
        for fault in (faults.each if faults else ())
        if fault.delivers is not None and fault.delivers.vantage == AGENT_LOAD.name and fault.kind != DNS_LOAD
    ]
    told = [one for one in each if one.sources]
    received = sum(one.received_bytes for one in told)
    return {
        "requests": sum(one.answered for one in told) if told else None,
        "received_bytes": received or None,
    }


def _observer(recording: Recording) -> dict[str, int | None]:
    """Samples of the API vantage points that got an answer, and the bodies of these."""
    points = asked_by_observer()
    asked = [one for one in recording.samples if one.vantage in points]
    answered = [one for one in asked if one.ok or one.outcome.startswith("http_")]
    ended = recording.named("observer_ended")
    received = ended[-1].details.get("received_bytes") if ended else None
    return {"requests": len(answered) if asked else None, "received_bytes": received}


def _share(told: dict[str, int | None], total: float | None) -> dict[str, Any]:
    requests = told["requests"]
    known = requests is not None and total
    return {**told, "request_share": round(requests / total, 4) if known and requests is not None and total else None}
