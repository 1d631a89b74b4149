"""The table of rules: which evidence marks which resource, when, and in which words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from chaoslib_cp.apiserver.saturated import conditions as when
from chaoslib_cp.apiserver.saturated import words
from chaoslib_cp.apiserver.saturated.evidence import Evidence

Resource = Literal["memory", "network", "cpu", "etcd", "seats"]


@dataclass(frozen=True)
class Rule:
    """One row.

    Attributes:
        resource: What is saturated where it holds.
        looks_at: The evidence that it needs, in words.
        holds: Whether it does; None where the evidence is missing.
        words: What was seen, with numbers; asked only where it holds.
    """

    resource: Resource
    looks_at: str
    holds: Callable[[Evidence], bool | None]
    words: Callable[[Evidence], str]


RULES: Final = (
    Rule("memory", "its memory before it went away (/metrics)", when.killed_for_memory, words.memory),
    Rule("network", "TCP handshakes", when.far, words.handshake),
    Rule("network", "packets sent again", when.loses, words.sent_again),
    Rule("network", "the pace of a large answer", when.narrow, words.large_answer),
    Rule("cpu", "goroutines that wait (/metrics)", when.waits_for_processors, words.waiting_goroutines),
    Rule("cpu", "how often its threads are idle (/metrics)", when.never_idle, words.idle_threads),
    Rule("cpu", "/livez against the TCP handshake", when.starved, words.starved),
    Rule("etcd", "etcd requests (/metrics)", when.etcd_slow, words.etcd_calls),
    Rule("etcd", "a read from etcd against one from memory", when.etcd_slower_than_cache, words.etcd_and_cache),
    Rule("seats", "rejected requests (/metrics)", when.rejected, words.rejected),
    Rule("seats", "queues (/metrics)", when.queued, words.queued),
    Rule("seats", "answers of 429", when.told_to_wait, words.told_to_wait),
    Rule("seats", "/livez against /version", when.queued_only, words.exempt_and_queued),
)
