"""The table of rules: what is named for which evidence, and what is not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from chaoslib_cp.apiserver.saturated.evidence import Evidence, Waits
from chaoslib_cp.apiserver.saturated.judgement import ORDER, judge
from chaoslib_cp.apiserver.saturated.memory import Memory, Note
from chaoslib_cp.apiserver.saturated.metrics import EtcdCalls, Level, Metrics
from chaoslib_cp.apiserver.saturated.rules import RULES
from chaoslib_cp.cluster.door.container_ends import ContainerEnd

MIB = 2**20


def waits(median_s: float, slow_share: float = 0.0, mean_s: float | None = None) -> Waits:
    """Ten waits of one question."""
    return Waits(median_s, median_s if mean_s is None else mean_s, slow_share, 10)


WELL = Metrics(
    pages=3, seconds=10.0, cores=0.1, idle_share=0.9, waiting_goroutines=0.1, rss_bytes=(400.0 * MIB,) * 3,
    age_s=900.0, etcd_reads=EtcdCalls(0.002, 20.0), etcd_writes=EtcdCalls(0.002, 20.0),
    levels=(Level("global-default", 1, 49),),
)  # fmt: skip
CALM = Evidence(
    "192.0.2.1:6443", asked=50, connect_s=0.001, connect_worst_s=0.002, handshake_s=0.004, sent_again=0.0,
    livez=waits(0.002), version=waits(0.002), stored=waits(0.004), cached=waits(0.002), metrics=WELL,
)  # fmt: skip
SLOW_ETCD: dict[str, Any] = {"etcd_reads": EtcdCalls(0.3, 20.0), "etcd_writes": EtcdCalls(0.4, 60.0)}
SLOW: dict[str, Any] = {
    "livez": waits(1.5, 0.7),
    "version": waits(1.6, 0.7),
    "stored": waits(1.7, 0.7),
    "cached": waits(1.6, 0.7),
}
FULL = (Level("workload-low", 37, 37, waiting=20, most_waiting=90, rejected={"queue-full": 30.0}, wait_s=2.5),)


def seen(metrics: Mapping[str, Any] = {}, **outside: Any) -> Evidence:
    """A calm server, but for this."""
    return replace(CALM, metrics=replace(WELL, **metrics), **outside)


def unmetered(**outside: Any) -> Evidence:
    """The same where the observer may not read metrics."""
    return replace(CALM, metrics=None, metrics_trouble="not let in", **outside)


BEGAN_S = 1_733_929_920.0


def note(at_s: float, rss_mib: float, started_s: float = -900.0) -> Note:
    """A page, in seconds since the look began."""
    return Note(BEGAN_S + at_s, BEGAN_S + started_s, rss_mib * MIB)


def end(reason: str, exit_code: int) -> ContainerEnd:
    """What a kubelet tells."""
    return ContainerEnd(BEGAN_S + 10, reason, exit_code)


def memory(*notes: Note, signs_s: tuple[float, ...] = (), ends: tuple[ContainerEnd, ...] | None = None) -> Memory:
    """What is known of the memory of a server."""
    return Memory(BEGAN_S, notes, tuple(BEGAN_S + one for one in signs_s), ends)


def gone(known: Memory) -> Evidence:
    """A server at which nobody listens any more, and what is known of its memory."""
    return replace(GONE, memory=known)


FIRST = note(1, 400)
GONE = Evidence(
    "192.0.2.1:6443", asked=40, failures={"refused": 40}, metrics_trouble="refused", memory=memory(signs_s=(1.0,))
)
CASES: dict[str, tuple[Evidence, str]] = {
    "calm": (CALM, "nothing"),
    "calm, no metrics": (unmetered(), "nothing"),
    "busy, and nobody waits": (seen({"cores": 1.5}), "nothing"),
    "far away": (
        unmetered(connect_s=0.2, livez=waits(0.2), version=waits(0.2), stored=waits(0.2), cached=waits(0.2)),
        "unknown",
    ),
    "two slow beats": (seen(version=waits(0.003, 0.2)), "nothing"),
    "no processor": (seen({"waiting_goroutines": 9.0, "cores": 0.4}, **SLOW), "cpu"),
    "no processor, and so no seats and a slow etcd": (
        seen({"waiting_goroutines": 9.0, "levels": FULL} | SLOW_ETCD, **SLOW),
        "cpu",
    ),
    "woken all at once by a slow etcd": (seen({"waiting_goroutines": 2.5} | SLOW_ETCD, stored=waits(0.3)), "etcd"),
    "its own pauses now and then in what it measures of etcd": (
        seen({"waiting_goroutines": 1.9} | SLOW_ETCD),
        "nothing",
    ),
    "the same, and the observer may not read the object": (
        seen({"waiting_goroutines": 1.9} | SLOW_ETCD, stored=None, cached=None),
        "etcd",
    ),
    "slow writes, and nobody waits for a processor": (seen({"etcd_writes": EtcdCalls(0.16, 6421.0, 0.15)}), "etcd"),
    "a disk that stood still for a moment": (seen({"etcd_writes": EtcdCalls(0.17, 46.0, 0.004)}), "nothing"),
    "the same, and it is not known how long": (seen({"etcd_writes": EtcdCalls(0.17, 46.0)}), "nothing"),
    "slow writes and quick reads": (
        seen(
            {"waiting_goroutines": 1.5, "etcd_reads": EtcdCalls(0.02, 40), "etcd_writes": EtcdCalls(0.16, 6421.0, 0.15)}
        ),
        "etcd",
    ),
    "bursts of agents, and calm between them": (
        seen({"waiting_goroutines": 20.0, "levels": FULL}, livez=waits(0.003, mean_s=0.08)),
        "cpu",
    ),
    "a few clients use up its quota, and hardly anybody waits": (
        seen({"cores": 0.4, "idle_share": 0.003, "waiting_goroutines": 1.8} | SLOW_ETCD, stored=waits(0.17)),
        "cpu",
    ),
    "no processor, no metrics": (unmetered(handshake_s=1.2, **SLOW), "cpu"),
    "stopped": (unmetered(handshake_s=5.0, livez=waits(5.0, 1.0), failures={"time-out": 50}), "cpu"),
    "queues of others": (seen({"levels": FULL}), "seats"),
    "rejections of others": (seen({"levels": (replace(FULL[0], waiting=0.0, wait_s=None),)}), "seats"),
    "own queue, no metrics": (unmetered(version=waits(2.0, 0.9), stored=waits(2.0, 0.9)), "seats"),
    "429, no metrics": (unmetered(failures={"429 fair queueing": 30}), "seats"),
    "own queue, where waits differ by chance": (
        unmetered(version=waits(2.5, 0.9), stored=waits(3.0, 0.9), cached=waits(2.5, 0.9)),
        "seats",
    ),
    "etcd": (seen({"levels": FULL} | SLOW_ETCD, stored=waits(0.5)), "etcd"),
    "etcd, no metrics": (unmetered(stored=waits(0.5)), "etcd"),
    "etcd hangs": (unmetered(stored=waits(5.0, 1.0), failures={"time-out": 10}), "etcd"),
    "long way": (seen(connect_s=0.4, **SLOW), "network"),
    "nobody answers the handshake": (
        Evidence("192.0.2.1:6443", asked=10, connect_s=5.0, failures={"time-out": 10}, metrics_trouble="time-out"),
        "network",
    ),
    "lost packets": (seen(sent_again=0.3, livez=waits(0.3)), "network"),
    "narrow": (seen(body_bytes_per_s=50_000.0), "network"),
    "slow body of a server without processor": (
        seen({"waiting_goroutines": 9.0}, body_bytes_per_s=50_000.0, livez=waits(0.4)),
        "cpu",
    ),
    "slow body, no metrics": (unmetered(body_bytes_per_s=50_000.0), "nothing"),
    "killed, and back": (seen(memory=memory(FIRST, note(8, 900), note(25, 300, started_s=20)), **SLOW), "memory"),
    "killed, and not back yet": (gone(memory(FIRST, note(8, 900), signs_s=(12.0, 13.0))), "memory"),
    "killed again as soon as it was back, calm earlier in the run": (
        gone(memory(note(-60, 400), note(3, 900, started_s=-5), signs_s=(4.0,))),
        "memory",
    ),
    "killed between two pages, and growing again": (
        gone(memory(note(-47, 375), note(20, 466, started_s=10), note(25, 756, started_s=10), signs_s=(2.0,))),
        "memory",
    ),
    "killed by somebody while many list": (
        gone(memory(note(-47, 416), note(9, 339, started_s=-1), note(28, 464, started_s=-1), signs_s=(0.5,))),
        "unknown",
    ),
    "killed before anybody saw its memory": (gone(memory(signs_s=(1.0, 2.0))), "unknown"),
    "killed, as its kubelet tells": (gone(memory(signs_s=(1.0,), ends=(end("OOMKilled", 137),))), "memory"),
    "crashed, as its kubelet tells": (
        gone(memory(FIRST, note(8, 900), signs_s=(12.0,), ends=(end("Error", 2),))),
        "unknown",
    ),
    "killed, and its kubelet does not know why": (
        gone(memory(FIRST, note(8, 900), signs_s=(12.0,), ends=(end("Error", 137),))),
        "memory",
    ),
    "restarted by somebody": (
        seen(memory=memory(FIRST, note(25, 200, started_s=20), note(30, 390, started_s=20))),
        "unknown",
    ),
    "grown while it was up for days, and killed by somebody when it was calm": (
        gone(memory(note(-500, 303, started_s=-600), note(-9, 416, started_s=-400), signs_s=(4.0,))),
        "unknown",
    ),
    "a connection that was closed by a process that is still there": (
        seen(memory=memory(FIRST, note(8, 900), signs_s=(4.0,))),
        "nothing",
    ),
    "grown, and still there": (seen(memory=memory(FIRST, note(8, 900))), "nothing"),
    "killed before this look": (seen(memory=memory(note(-40, 900), note(3, 400, started_s=-20))), "nothing"),
    "came back, and reads everything anew": (
        seen(
            {"levels": FULL} | SLOW_ETCD,
            stored=waits(0.3),
            failures={"refused": 20},
            memory=memory(FIRST, signs_s=(8.0,)),
        ),
        "unknown",
    ),
    "gone": (GONE, "unknown"),
    "only this machine was busy": (Evidence("192.0.2.1:6443", void=30), "unknown"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_evidence_has_its_word(name: str) -> None:
    """Each verdict has words of its own, and none names what is not known."""
    evidence, resource = CASES[name]
    verdict = judge(evidence)
    assert verdict.resource == resource, verdict.words
    assert 20 < len(verdict.words) < 400
    assert "None" not in verdict.words


def test_a_server_that_is_never_idle_writes_slowly_by_itself() -> None:
    """Its slow answers are no sign of the network."""
    verdict = judge(seen({"idle_share": 0.0}, body_bytes_per_s=50_000.0, livez=waits(0.02)))
    assert (verdict.resource, verdict.also) == ("cpu", ())


def test_missing_evidence_is_never_a_verdict() -> None:
    """Slow for reasons that nobody can see: it says between which resources it cannot tell, and what is missing."""
    verdict = judge(unmetered(connect_s=None, livez=None, version=waits(0.5), stored=None, cached=None))
    assert verdict.resource == "unknown"
    assert verdict.between == ("network", "cpu", "etcd", "seats")
    assert "TCP handshakes" in verdict.words


def test_one_who_went_away_may_have_lacked_memory() -> None:
    """A refused connection tells that the process is gone, and not why."""
    assert judge(CASES["gone"][0]).between == ("memory",)
    assert "40 x refused, it went away, and nobody had seen its memory before" in judge(CASES["gone"][0]).words


def test_words_of_memory_have_its_numbers() -> None:
    """What it had when it was last seen, and while it was calm; or what its kubelet tells."""
    words = judge(CASES["killed, and back"][0]).words
    assert words == (
        "it went away, restarted 1 x, with 900 MiB when it was last seen, 400 MiB while calm, 300 MiB since it is back"
    )
    assert judge(CASES["killed, as its kubelet tells"][0]).words == (
        "its kubelet tells that it was killed for memory 1 x"
    )
    assert (
        "its container ended by itself or was ended (Error)" in judge(CASES["crashed, as its kubelet tells"][0]).words
    )


def test_what_follows_from_the_first_is_told_beside_it() -> None:
    """A server without a processor has full queues, too: they are no second cause."""
    verdict = judge(CASES["no processor, and so no seats and a slow etcd"][0])
    assert verdict.also == ("etcd", "seats")
    assert "goroutines" in verdict.words


def test_every_resource_has_rules_of_its_own() -> None:
    """A row for each of the five, and none for anything else."""
    assert {rule.resource for rule in RULES} == set(ORDER)
