"""From what a log says of an agent to a load profile, and in words what the log could not say."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.engine.load.audit_log.reading import LogRead
from chaoslib_cp.engine.load.audit_log.request import NAME, NAMESPACE, NODE, POD
from chaoslib_cp.engine.load.audit_log.seen import AgentSeen, Kind
from chaoslib_cp.engine.load.profile import HTTP_1, HTTP_2, MAX_REQUEST_KINDS, SCHEMA, parse_profile
from chaoslib_cp.errors import ProfileInvalid

_LEAST_PERIOD_S: Final = 0.1
_MOST_PERIOD_S: Final = 3600.0
"""Of a request in a profile."""
_MOST_RAMP_S: Final = 600.0
_MOST_IN_FLIGHT: Final = 64
_USUAL_IN_FLIGHT: Final = 4
# In bursts many more are under way than in the mean.
_BURST: Final = 4
_MOST_REQUESTS: Final = 1_000_000
_USUAL_REQUESTS: Final = 10_000
_MOST_BYTES: Final = 68_719_476_736
# These ask for nothing compressed unless they are told to; most other clients do by themselves, all in Go among them
# (source: documentation of curl, option --compressed; of Go's net/http, Transport.DisableCompression).
_NO_GZIP: Final = ("curl", "Wget")
# How clients name themselves that speak HTTP/2 with every API server: client-go, unless it is told another name, and
# Go's own (source: kubernetes/client-go, rest/config.go, DefaultKubernetesUserAgent; Go's net/http, defaultUserAgent).
_SPEAKS_HTTP_2: Final = re.compile(r".+ \(\w+/\w+\) kubernetes/.+|Go-http-client/2.*")
_THROTTLED: Final = 429
_NOT_FOUND: Final = 404


@dataclass(frozen=True)
class LoggedProfile:
    """A profile that was made from a log.

    Attributes:
        document: Its JSON form, as ``parse_profile`` takes it.
        nodes: With how many virtual nodes it is the load that was logged.
        seen: What the log said, one line each.
        not_told: What it did not say, with what is played instead, one line each.
    """

    document: Mapping[str, Any]
    nodes: int
    seen: tuple[str, ...]
    not_told: tuple[str, ...]


def profile_of(read: LogRead, name: str) -> LoggedProfile:
    """Make the profile of the agent that was read.

    Args:
        read: What the log says; it has at least one request that can be played.
        name: What the agent is called.

    Raises:
        ProfileInvalid: It asked in one burst only and the log ends, so nothing says how often. Nothing was sent.
    """
    agent, agent_s = read.agent, read.agent.agent_seconds
    kinds = sorted((kind for kind in agent.kinds.values() if kind.requests), key=lambda kind: -kind.requests)
    if not agent_s or not kinds:
        raise ProfileInvalid(
            f"agent {name!r} asked in one burst, with which the log ends, so nothing says how often; nothing was sent; "
            "name a longer log"
        )
    played = kinds[:MAX_REQUEST_KINDS]
    # requests of one agent may come more often than a profile allows: more agents then ask less often each
    split = max(1, math.ceil(_LEAST_PERIOD_S * played[0].requests / agent_s))
    [(user_agent, _)] = agent.user_agents.most_common(1)
    gzip = not user_agent.startswith(_NO_GZIP)
    protocol = HTTP_2 if _SPEAKS_HTTP_2.fullmatch(user_agent) else HTTP_1
    requests = [_request(kind, agent_s * split, gzip) for kind in played]
    document = {
        "schema": SCHEMA,
        "name": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-63:].strip("-") or "agent",
        "requests": requests,
        "protocol": protocol,
        **_beginning(agent, played, requests),
        **_caps(played, agent_s * split),
    }
    parse_profile(document)
    nodes = agent.agents * split
    return LoggedProfile(
        document, nodes, tuple(_seen(read, kinds, nodes)), tuple(_not_told(agent, played, gzip, protocol))
    )


def as_text(made: LoggedProfile, path: Path) -> str:
    """The text of a file that ``chaos cp load`` plays: YAML with all that is to know as comments, or plain JSON."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        return json.dumps(made.document, indent=2) + "\n"
    import yaml

    told = [f"# {line}" for line in (*made.seen, *(f"Not told: {line}" for line in made.not_told))]
    return "\n".join([*told, yaml.safe_dump(dict(made.document), sort_keys=False, width=200)])


def _request(kind: Kind, agent_s: float, gzip: bool) -> dict[str, Any]:
    request = kind.example
    path = request.path.replace(NAME, dict(request.names).get(NAME, ""))
    period_s = min(max(agent_s / kind.requests, _LEAST_PERIOD_S), _MOST_PERIOD_S)
    told: dict[str, Any] = {"path": path, "period_s": round(period_s, 4)}
    if request.query:
        told["query"] = dict(request.query)
    if path == "/metrics":
        told["accept"] = "*/*"
    if request.is_watch:
        told["watch_s"] = round(min(max(kind.mean_s or period_s, 1.0), _MOST_PERIOD_S), 3)
    is_paged = bool(kind.pages) and "limit" in dict(request.query)
    return {**told, "gzip": gzip and not is_paged, **({"paged": True} if is_paged else {})}


def _beginning(agent: AgentSeen, kinds: list[Kind], requests: list[dict[str, Any]]) -> dict[str, float]:
    """When agents begin, and whether they ask at once: as a profile's ramp and phase.

    Agents that come and go over more than a period are those of a steady state, which is spread evenly.
    """
    if agent.begin_within_s > max(request["period_s"] for request in requests):
        return {}
    shares = [
        min(1.0, 2 * kind.begin_s / len(kind.sources) / request["period_s"])
        for kind, request in zip(kinds, requests, strict=True)
    ]
    return {
        "ramp_s": round(min(agent.begin_within_s, _MOST_RAMP_S), 3),
        "phase_ratio": round(sum(shares) / len(shares), 3),
    }


def _caps(kinds: list[Kind], agent_s: float) -> dict[str, int]:
    """Caps of one agent that let it be as busy for an hour as it was (Little's law for what is under way)."""
    rate_per_s = sum(kind.requests + max(kind.pages.values(), default=0) for kind in kinds) / agent_s
    under_way = sum(kind.requests * kind.mean_s for kind in kinds) / agent_s
    most_requests = max(_USUAL_REQUESTS, math.ceil(2 * rate_per_s * _MOST_PERIOD_S))
    return {
        "max_in_flight_per_agent": min(_USUAL_IN_FLIGHT + math.ceil(_BURST * under_way), _MOST_IN_FLIGHT),
        "max_requests": min(most_requests, _MOST_REQUESTS),
        "max_bytes": _MOST_BYTES,
    }


def _seen(read: LogRead, kinds: list[Kind], nodes: int) -> list[str]:
    agent = read.agent
    requests = sum(kind.requests for kind in kinds)
    lines = [
        f"{requests} requests of {len(kinds)} kinds in {agent.seconds:.0f} s, by {agent.agents} agents at a time, as "
        f"far as pods, users and addresses tell them apart; play it with {nodes} virtual nodes"
    ]
    answers: dict[int, int] = {}
    for kind in kinds:
        for status, count in kind.statuses.items():
            answers[status] = answers.get(status, 0) + count
    refused = {status: count for status, count in sorted(answers.items()) if status >= 400}
    if refused:
        lines.append("not all were answered well: " + ", ".join(f"{count} x {code}" for code, count in refused.items()))
    if read.is_cut_off:
        lines.append("the log is cut off in its last line, which was left out")
    if read.unread:
        lines.append("lines left out: " + ", ".join(f"{count} {what}" for what, count in read.unread.items()))
    return lines


def _not_told(agent: AgentSeen, played: list[Kind], gzip: bool, protocol: str) -> list[str]:
    words = {True: "compressed answers are asked for", False: "no compressed answers are asked for"}
    lines = [
        f"Accept and Accept-Encoding: JSON and {words[gzip]}; set accept and gzip where you know better",
        "connections: each agent keeps its own; set connection to per-request where it does not",
    ]
    if protocol == HTTP_1:
        lines.append(f"which HTTP: {HTTP_1}; set protocol to {HTTP_2} for an agent that is written in Go")
    if agent.agents == 1:
        lines.append("whether that is one agent or many behind one address: it is played as one, spread evenly")
    throttled = sum(kind.statuses[_THROTTLED] for kind in played)
    if throttled:
        lines.append(f"which requests were retries, after {throttled} answers with 429: each counts as a request")
    left_out = agent.requests_left_out()
    if left_out:
        lines.append("not played: " + ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items())))
    rare = len([kind for kind in agent.kinds.values() if kind.requests]) - len(played)
    if rare:
        lines.append(f"not played: the {rare} kinds of request that are most rare; a profile has {MAX_REQUEST_KINDS}")
    lines += _about_names(played)
    return lines


def _about_names(played: list[Kind]) -> list[str]:
    lines = []
    own = {word for kind in played for word, _ in kind.example.names if word in (NODE, POD, NAMESPACE)}
    if own:
        lines.append(
            f"whose object is asked for by name: {', '.join(sorted(own))} of each agent; those of virtual nodes do not "
            f"exist, and are answered with {_NOT_FOUND}"
        )
    others = sum(NAME in kind.varied for kind in played)
    if others:
        lines.append(f"why names vary in {others} kinds of request: the first name stands for all")
    return lines
