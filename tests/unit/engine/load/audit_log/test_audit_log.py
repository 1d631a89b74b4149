"""A profile from an audit log: what a real agent asked, how often, and what the log does not say."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.load.audit_log.agent_profile import LoggedProfile, as_text, profile_of
from chaoslib_cp.engine.load.audit_log.reading import is_audit_log, read_agent
from chaoslib_cp.engine.load.profile import parse_profile
from chaoslib_cp.engine.load.profile_file import read_profile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold.audit import AGENT, USER_AGENT, line, text

EVERY_15_S = [line(15.0 * number) for number in range(8)]


def made(tmp_path: Path, lines: list[dict[str, Any]], *names: str) -> LoggedProfile:
    """The profile of a log of these lines."""
    log = tmp_path / "audit.log"
    log.write_text(text(lines))
    return profile_of(read_agent(log, names or (AGENT,)), "agent")


def requests(profile: LoggedProfile) -> list[dict[str, Any]]:
    """What it asks."""
    listed: list[dict[str, Any]] = profile.document["requests"]
    return listed


def refusal(path: Path, *names: str) -> str:
    """In which words a log is refused: one line."""
    with pytest.raises(ProfileInvalid) as refused:
        read_agent(path, names)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200 + len(str(path))
    return str(refused.value)


def test_a_steady_poller_has_its_period(tmp_path: Path) -> None:
    """Also by its user agent, that one's first word, and both together; others are not counted."""
    others = [line(5.0 * number, user="somebody", user_agent="kubectl/v1.36.0 (linux/amd64)") for number in range(30)]
    for names in ((AGENT,), (USER_AGENT,), ("telemetry",), (AGENT, "telemetry")):
        profile = made(tmp_path, [*EVERY_15_S, *others], *names)
        assert requests(profile) == [{"path": "/api/v1/pods", "period_s": 15.0, "gzip": True}]
        assert profile.nodes == 1


def test_agents_are_told_apart_by_pod_or_address_or_whom_they_stand_for(tmp_path: Path) -> None:
    """Ten of them that ask every 15 s, in step: the period is that of one, and it is to be played by ten."""
    tellings: list[Any] = [
        lambda n: {"address": f"10.0.0.{n}"},
        lambda n: {"user": {"username": AGENT, "extra": {"authentication.kubernetes.io/pod-name": [f"agent-{n}"]}}},
        lambda n: {"impersonatedUser": {"username": f"system:serviceaccount:default:chaoslib-cp-{n:04}"}},
    ]
    for telling in tellings:
        lines = [line(15.0 * beat + 0.01 * n) | _more(telling(n)) for beat in range(6) for n in range(10)]
        profile = made(tmp_path, lines)
        assert profile.nodes == 10
        assert requests(profile)[0]["period_s"] == pytest.approx(15.0, rel=0.01)


def _more(told: dict[str, Any]) -> dict[str, Any]:
    return {"sourceIPs": [told.pop("address")]} if "address" in told else told


def test_agents_that_cannot_be_told_apart_are_one_that_asks_as_often_as_all(tmp_path: Path) -> None:
    """In bursts too; what comes more often than a profile allows is shared out among more virtual nodes."""
    burst = [line(15.0 * beat + 0.1 * n) for beat in range(8) for n in range(10)]
    profile = made(tmp_path, burst)
    assert (profile.nodes, requests(profile)[0]["period_s"]) == (1, pytest.approx(1.5, rel=0.05))
    profile = made(tmp_path, [line(0.01 * number) for number in range(1100)])
    assert (profile.nodes, requests(profile)[0]["period_s"]) == (10, pytest.approx(0.1, rel=0.01))


def test_a_policy_may_leave_stages_out_and_write_the_others(tmp_path: Path) -> None:
    """However many lines a request has, it is one."""
    for stages in (["ResponseComplete"], ["RequestReceived"], ["RequestReceived", "ResponseComplete"]):
        lines = [line(15.0 * number, stage=stage) for number in range(8) for stage in stages]
        assert requests(made(tmp_path, lines))[0]["period_s"] == pytest.approx(15.0)


def test_what_is_of_its_moment_is_left_out_of_a_request(tmp_path: Path) -> None:
    """Versions, page tokens, names of nodes and pods, and the random time-out of a watch make no kinds of their own."""
    lines = []
    for beat in range(8):
        at_s = 30.0 * beat
        lines += [
            line(at_s, f"/api/v1/nodes/node-{beat}", "get"),
            line(at_s, f"/api/v1/namespaces/n{beat}/pods/p{beat}", "get"),
            line(at_s, f"/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-{beat}"),
            line(at_s, f"/apis/apps/v1/deployments?resourceVersion={1000 + beat}"),
            line(at_s, "/api/v1/configmaps?limit=500"),
            line(at_s + 1, f"/api/v1/configmaps?limit=500&continue=abc{beat}"),
            line(at_s + 2, f"/api/v1/configmaps?limit=500&continue=def{beat}"),
            line(at_s, f"/api/v1/services?watch=true&resourceVersion=0&timeoutSeconds={300 + beat}", "watch",
                 stage="ResponseStarted"),
            line(at_s, f"/api/v1/services?watch=true&resourceVersion=0&timeoutSeconds={300 + beat}", "watch",
                 took_s=20.0),
            line(at_s, "/metrics", "get"),
        ]  # fmt: skip
    profile = made(tmp_path, lines)
    assert [one["period_s"] for one in requests(profile)] == [pytest.approx(30.0, rel=0.08)] * 7
    shown = {one["path"]: {key: value for key, value in one.items() if key not in ("path", "period_s")}
             for one in requests(profile)}  # fmt: skip
    assert shown == {
        "/api/v1/nodes/{node}": {"gzip": True},
        "/api/v1/namespaces/{namespace}/pods/{pod}": {"gzip": True},
        "/api/v1/pods": {"query": {"fieldSelector": "spec.nodeName={node}"}, "gzip": True},
        "/apis/apps/v1/deployments": {"query": {"resourceVersion": "0"}, "gzip": True},
        "/api/v1/configmaps": {"query": {"limit": "500"}, "gzip": False, "paged": True},
        "/api/v1/services": {"query": {"resourceVersion": "0", "watch": "1"}, "watch_s": 20.0, "gzip": True},
        "/metrics": {"accept": "*/*", "gzip": True},
    }


def test_what_cannot_be_played_and_what_the_log_does_not_say_is_said(tmp_path: Path) -> None:
    """Nobody takes the price of half an agent for that of the whole."""
    lines = [
        *[line(15.0 * beat, code=429 if beat == 3 else 200) for beat in range(8)],
        *[line(15.0 * beat, "/api/v1/namespaces/default/events", "create") for beat in range(8)],
        *[line(15.0 * beat, f"/api/v1/pods?watch=1&resourceVersion=7{beat}", "watch") for beat in range(3)],
        *[line(15.0 * beat, "/api/v1/namespaces/default/pods/x/exec?command=ls", "get") for beat in range(2)],
        *[line(15.0 * beat, f"/apis/apps/v1/namespaces/default/deployments/d{beat}", "get") for beat in range(8)],
        # what a HEAD of a resource is told as
        *[line(15.0 * beat, code=405) for beat in range(8)],
    ]
    profile = made(tmp_path, lines)
    assert len(requests(profile)) == 2
    assert requests(profile)[1]["path"] == "/apis/apps/v1/namespaces/default/deployments/d0"
    said = "\n".join(profile.not_told)
    for words in (
        "Accept and Accept-Encoding: JSON and compressed answers are asked for",
        "connections: each agent keeps its own",
        "after 1 answers with 429",
        "2 connections into pods, 3 watches that go on from a version of then, 8 writes",
        "the first name stands for all",
    ):
        assert words in said
    assert "1 x 429" in "\n".join(profile.seen)


def test_curl_is_answered_in_indented_json_and_asks_for_nothing_compressed(tmp_path: Path) -> None:
    """The log does tell that, by the user agent."""
    [request] = requests(made(tmp_path, [one | {"userAgent": "curl/8.5.0"} for one in EVERY_15_S]))
    assert (request["query"], request["gzip"]) == ({"pretty": "true"}, False)


@pytest.mark.parametrize(
    ("user_agent", "protocol"),
    [
        ("telemetry/v1.2.0 (linux/amd64) kubernetes/9c1b2f4", "h2"),
        ("Go-http-client/2.0", "h2"),
        ("Go-http-client/1.1", "http/1.1"),
        ("fluentd/1.16", "http/1.1"),
    ],
)
def test_http2_is_played_where_the_user_agent_tells_it(tmp_path: Path, user_agent: str, protocol: str) -> None:
    """Of others it is said that nobody knows."""
    profile = made(tmp_path, [one | {"userAgent": user_agent} for one in EVERY_15_S])
    assert profile.document["protocol"] == protocol
    assert ("which HTTP: http/1.1" in "\n".join(profile.not_told)) == (protocol != "h2")


def test_the_file_that_is_written_is_the_profile(tmp_path: Path) -> None:
    """As JSON, or as YAML with what is to know about it as comments."""
    profile = made(tmp_path, EVERY_15_S)
    written = tmp_path / "agent.json"
    written.write_text(as_text(profile, written))
    assert read_profile(written) == parse_profile(dict(profile.document))
    written = tmp_path / "agent.yaml"
    written.write_text(as_text(profile, written))
    assert read_profile(written) == parse_profile(dict(profile.document))
    assert "# Not told: Accept" in written.read_text()
    assert "play it with 1 virtual nodes" in written.read_text()


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_log_that_is_cut_off_says_so_and_is_used(tmp_path: Path, is_compressed: bool) -> None:
    """One that is being written ends anywhere. A last line that lacks its line feed alone is whole."""
    log = tmp_path / "audit.log"
    whole = text(EVERY_15_S).encode()
    log.write_bytes(gzip.compress(whole + whole[:200], mtime=0) if is_compressed else whole[:-40])
    read = read_agent(log, [AGENT])
    assert (read.events, read.is_cut_off) == (8 if is_compressed else 7, True)
    assert any("cut off in its last line" in seen for seen in profile_of(read, "agent").seen)
    log.write_bytes(whole[:-1])
    read = read_agent(log, [AGENT])
    assert (read.events, read.is_cut_off) == (8, False)


def test_a_compressed_log_that_is_cut_off_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    """Its last block is lost."""
    log = tmp_path / "audit.log.gz"
    log.write_bytes(gzip.compress(text([line(float(number)) for number in range(5000)]).encode())[:-500])
    read = read_agent(log, [AGENT])
    assert read.is_cut_off
    assert 100 < read.events < 5000


OTHER_KIND = json.dumps({"apiVersion": "v1", "kind": "Event", "reason": "Pulled"}) + "\n"
OLD_KIND = json.dumps({"apiVersion": "audit.k8s.io/v1beta1", "kind": "Event", "stage": "ResponseComplete"}) + "\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; nothing was sent"),
        (b"\n\n", "is empty; nothing was sent"),
        (b"I1127 19:12:00 1 server.go:1] started\nmore\n", "no line of it is JSON"),
        (b"\x80\x81\xff" * 100, "no line of it is JSON"),
        (b"[1, 2]\n", "no line of it is of kind Event of audit.k8s.io/v1, the first is 'of no kind'"),
        (OTHER_KIND.encode(), "the first is 'v1 Event'"),
        (OLD_KIND.encode(), "the first is 'audit.k8s.io/v1beta1 Event'"),
        (text(EVERY_15_S[:1])[:-50].encode(), "no line of it is JSON"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-20], "ended before the end-of-stream marker"),
        (b"\x1f\x8bnot gzip at all", "audit.log: "),
    ],
)
def test_what_is_no_audit_log_is_refused_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    """Each says what it is instead."""
    log = tmp_path / "audit.log"
    log.write_bytes(content)
    assert words in refusal(log, AGENT)
    assert not is_audit_log(log)


def test_an_agent_that_is_not_in_the_log_is_refused_with_those_that_are(tmp_path: Path) -> None:
    """So is one that is not named, and one that did nothing that can be played."""
    log = tmp_path / "audit.log"
    others = [line(float(n), user=f"user-{n}" + "x" * 200, user_agent=f"tool/{n}") for n in range(50)]
    writes = [line(float(n), verb="create", user="writer", user_agent="w/1") for n in range(5)]
    log.write_text(text([*EVERY_15_S, *others, *writes]))
    assert is_audit_log(log)
    said = refusal(log, "nobody")
    assert "says nothing of agent 'nobody'" in said
    assert said.endswith(f"in it are {AGENT} (8), {USER_AGENT} (8), writer (5), w/1 (5) and 100 more")
    assert f"add --agent: {AGENT} (8)" in refusal(log)
    assert "nothing that agent 'writer' asked can be played (5 writes)" in refusal(log, "writer")
    assert "No such file" in refusal(tmp_path / "none", AGENT)
    assert "Is a directory" in refusal(tmp_path, AGENT)


def test_an_agent_that_asked_once_is_one_that_asks_no_more_until_the_log_ends(tmp_path: Path) -> None:
    """Where the log ends with it, nothing says how often it asks: it is refused, not guessed."""
    with pytest.raises(ProfileInvalid, match="asked in one burst, with which the log ends"):
        made(tmp_path, EVERY_15_S[:1])
    burst = [line(0.1 * number, f"/api/v1/{kind}") for number, kind in enumerate(("pods", "nodes", "services"))]
    profile = made(tmp_path, [*burst, line(300.0, user="somebody", user_agent="else/1")])
    assert [one["period_s"] for one in requests(profile)] == [300.0] * 3
    assert (profile.document["ramp_s"], profile.document["phase_ratio"]) == (0.0, pytest.approx(0.0, abs=0.01))


def test_agents_that_begin_one_after_the_other_are_played_so(tmp_path: Path) -> None:
    """As a rollout over ten seconds, each asking when it begins; those of a steady state are spread evenly."""
    lines = [line(15.0 * beat + n, address=f"10.0.0.{n}") for beat in range(8) for n in range(11)]
    document = made(tmp_path, lines).document
    assert (document["ramp_s"], document["phase_ratio"]) == (10.0, 0.0)
    lines = [line(15.0 * beat + 60.0 * n, address=f"10.0.0.{n}") for beat in range(8) for n in range(11)]
    assert "ramp_s" not in made(tmp_path, lines).document


def test_lines_that_are_broken_or_endless_are_left_out_and_counted(tmp_path: Path) -> None:
    """A rotation that cut the head off, a tool that wrote between the lines, an object of 20 MB."""
    log = tmp_path / "audit.log"
    huge = line(1.0, requestObject={"data": "x" * 20_000_000})
    log.write_text(text(EVERY_15_S[:4]) + "rotated\n" + text([huge]) + text(EVERY_15_S[4:]))
    read = read_agent(log, [AGENT])
    assert (read.events, dict(read.unread)) == (8, {"no JSON": 1, "too long": 1})
    assert "lines left out: 1 no JSON, 1 too long" in profile_of(read, "agent").seen


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Read in a process that may have little more than it starts with: a log of 12 MB, as one of gigabytes would be."""
    log = tmp_path / "audit.log"
    one = text(
        line(0.5 * n, f"/api/v1/nodes/node-{n}", "get", address=f"10.0.{n // 250}.{n % 250}") for n in range(500)
    )
    with log.open("w") as file:
        for _ in range(12_000_000 // len(one)):
            file.write(one)
    code = (
        "import sys, resource; from pathlib import Path\n"
        "from chaoslib_cp.engine.load.audit_log.reading import read_agent\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"print(read_agent(Path(sys.argv[1]), ['{AGENT}']).events)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=True)
    events, grown_kib = map(int, ended.stdout.split())
    assert events > 10_000
    assert grown_kib < 4 * 1024
