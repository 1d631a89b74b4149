"""The API servers as clients saw them: which share of requests failed and how, and what a request cost."""

from collections import Counter

from chaoslib_cp.engine.load.account import CLIENT_CPU_S
from chaoslib_cp.fault import LOAD_CPU
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.figure import Figure, absent, ratio
from chaoslib_cp.results.recording import Event, Recording, Sample
from chaoslib_cp.vantage import AGENT_LOAD, API_READ, all_points


def api_error_ratio(recording: Recording, faults: Faults) -> Figure:
    """Share (0..1) of the small reads, started while the fault was on, that failed or timed out."""
    asked = _during(recording, faults, API_READ.name)
    failed = sum(not sample.ok for sample in asked)
    return ratio(failed, len(asked), f"no usable sample of {API_READ.name} while the fault was on")


def api_error_ratio_by_class(recording: Recording, faults: Faults) -> Figure:
    """For each API vantage point the share (0..1) of each class of failure while the fault was on.

    Returns:
        ``{"api_read": {"timeout": 0.4, "http_429": 0.1}, ...}``; a vantage point without failures has an empty mapping.
    """
    shares: dict[str, dict[str, float]] = {}
    for vantage in health_checks():
        asked = _during(recording, faults, vantage)
        if asked:
            classes = Counter(sample.outcome for sample in asked if not sample.ok)
            shares[vantage] = {name: round(count / len(asked), 4) for name, count in sorted(classes.items())}
    return Figure(shares) if shares else absent("no usable sample of the API while the fault was on")


def amplification(recording: Recording, faults: Faults) -> Figure:
    """Server CPU seconds for each CPU second the injected clients spent, while the fault was on.

    Taken from ``api_cpu`` events, which carry running totals: the first since the fault began and the first since it
    ended (the last of all, if none came after it). What loads on the runner's machine used is told by themselves, in
    ``load_cpu`` events, and what pods of a load used in their accounts.
    """
    if not faults.loads:
        return absent("nothing that was injected loads the API")
    readings = [event for event in recording.named("api_cpu") if event.at_s >= faults.began_s]
    after = next((number for number, event in enumerate(readings) if event.at_s >= faults.ended_s), len(readings))
    totals = [(event.details.get("server_cpu_s"), _clients(recording, event)) for event in readings[: after + 1]]
    known = [(server, client) for server, client in totals if _number(server) and _number(client)]
    if len(known) < 2:
        return absent("CPU time of server and clients was not recorded")
    server_s = float(known[-1][0]) - float(known[0][0])  # type: ignore[arg-type]  # checked by _number
    client_s = float(known[-1][1]) - float(known[0][1])  # type: ignore[arg-type]  # checked by _number
    return amplification_of(server_s, client_s)


def amplification_of(server_cpu_s: float, client_cpu_s: float) -> Figure:
    """Server CPU seconds for each CPU second of the clients."""
    return Figure(round(server_cpu_s / client_cpu_s, 1)) if client_cpu_s > 0 else absent("the clients used no CPU time")


def _clients(recording: Recording, reading: Event) -> float | None:
    """What all clients had used at one reading: agents, loads on the runner's machine, and pods of loads."""
    agents = reading.details.get("client_cpu_s")
    loads: dict[object, float] = {}
    for event in recording.named(LOAD_CPU):
        used = event.details.get("client_cpu_s")
        if event.at_s <= reading.at_s and _number(used):
            loads[event.details.get("fault")] = float(used)  # type: ignore[arg-type]  # checked by _number
    known_s = sum(loads.values()) + _pods_of_loads(recording, reading.at_s)
    return float(agents) + known_s if _number(agents) else None  # type: ignore[arg-type]  # as above


def _pods_of_loads(recording: Recording, until_s: float) -> float:
    """What pods that play virtual nodes had told of themselves by then."""
    told = (sample for sample in recording.of(AGENT_LOAD.name) if sample.at_s <= until_s)
    return sum({(one.fault, one.target): one.counts.get(CLIENT_CPU_S, 0.0) for one in told}.values())


def health_checks() -> list[str]:
    """The names of the health checks of the API, in the order of a report."""
    return [point.name for point in all_points() if point.is_health]


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _during(recording: Recording, faults: Faults, vantage: str) -> list[Sample]:
    return [sample for sample in recording.of(vantage) if faults.began_s <= sample.at_s <= faults.ended_s]
