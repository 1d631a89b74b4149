"""Weaknesses of what is kept: TTLs, and what the plugin ``cache`` does beyond them.

Where seconds are judged, the stock configurations are the measure: kubeadm and NodeLocal DNSCache keep nothing for more
than 30 s.
"""

from collections.abc import Callable, Iterator
from typing import Final

from chaoslib_cp.engine.poison.corefile import Directive
from chaoslib_cp.engine.poison.weaknesses.caching import is_cached, limits_of, seconds
from chaoslib_cp.engine.poison.weaknesses.served import Served
from chaoslib_cp.engine.poison.weaknesses.weakness import Found, Level, Place, Row

_LONG_S: Final = 60
_SHORT_S: Final = 10
_LONG_SERVFAIL_S: Final = 10  # twice the default
_LAST_SHADOWED: Final = (1, 14, 3)
_EVERYWHERE: Final[tuple[Place, ...]] = ("servers", "node caches")
_README: Final = "coredns plugin/cache README"


def _serve_stale(served: Served) -> Iterator[Found]:
    for option in served.options("cache", "serve_stale"):
        if not _is_shadowed(served, option):
            continue
        if served.version:
            yield Found("high", option.line, f"{_words(option)}, which answers before it asks")
        else:
            yield Found("medium", option.line, f"{_words(option)}, and the image tells no version")


def _stale(served: Served) -> Iterator[Found]:
    for option in served.options("cache", "serve_stale"):
        if not _is_shadowed(served, option):
            yield Found("low", option.line, _words(option))


def _is_shadowed(served: Served, option: Directive) -> bool:
    """Whether a kept SERVFAIL would hide a good answer: in mode ``immediate``, the default, of old versions."""
    is_verifying = any(word.lower().startswith("verif") for word in option.arguments)
    return not is_verifying and (served.version is None or served.version <= _LAST_SHADOWED)


def _option(name: str) -> Callable[[Served], Iterator[Found]]:
    def look(served: Served) -> Iterator[Found]:
        for option in served.options("cache", name):
            yield Found("low", option.line, _words(option))

    return look


def _words(option: Directive) -> str:
    return " ".join((option.name, *option.arguments))


def _not_cached(served: Served) -> Iterator[Found]:
    if not served.is_cached:
        disabled = [one for one in served.options("cache", "disable") if one.arguments[:1] == ("success",)]
        lines = [one.line for one in (*disabled, *served.plugins("cache"))]
        line = lines[0] if lines else served.block.line
        yield Found("low", line, f"answers for {served.zone} are not kept")


def _long_ttl(served: Served) -> Iterator[Found]:
    if served.ttl_s is not None and served.ttl_s > _LONG_S:
        yield Found("medium", served.ttl_line, f"answers for {served.zone} live {served.ttl_s} s")


def _short_ttl(served: Served) -> Iterator[Found]:
    if served.ttl_s is not None and served.ttl_s < _SHORT_S:
        yield Found("low", served.ttl_line, f"answers for {served.zone} live {served.ttl_s} s")


def _mask(served: Served) -> Iterator[Found]:
    if served.is_cached and served.ttl_s is not None:
        level: Level = "medium" if served.ttl_s > _LONG_S else "low"
        yield Found(level, served.ttl_line, f"answers for {served.zone} are kept for up to {served.ttl_s} s")


def _long_denial(served: Served) -> Iterator[Found]:
    for cache in served.plugins("cache"):
        limits = limits_of(cache, "denial")
        # kubeadm's does not keep it for the cluster's domain alone: reverse zones are where a false one comes from
        is_kept = any(is_cached(cache, "denial", zone) for zone in (served.zone, "in-addr.arpa"))
        if limits and is_kept and limits.cap_s > _LONG_S:
            yield Found("medium", limits.line, f"NXDOMAIN is kept for up to {limits.cap_s} s")


def _long_servfail(served: Served) -> Iterator[Found]:
    for option in served.options("cache", "servfail"):
        kept_s = seconds(option.arguments[0]) if option.arguments else None
        if kept_s is not None and kept_s > _LONG_SERVFAIL_S:
            yield Found("medium", option.line, f"SERVFAIL is kept for {kept_s:g} s")


ROWS: Final = (
    Row(
        "serve_stale",
        _serve_stale,
        "up to CoreDNS 1.14.3 a kept SERVFAIL hides the good answer",
        "use serve_stale 1h verify, or CoreDNS 1.14.4",
        "coredns #8003",
        _EVERYWHERE,
    ),
    Row(
        "stale answers",
        _stale,
        "an outage stays unseen, and endpoints that are gone are told",
        "watch coredns_cache_served_stale_total",
        "RFC 8767",
        _EVERYWHERE,
    ),
    Row(
        "prefetch",
        _option("prefetch"),
        "a good answer is replaced before its TTL is over, so caches mask an outage for less than that",
        "count on a shorter mask",
        _README,
        _EVERYWHERE,
    ),
    Row(
        "keepttl",
        _option("keepttl"),
        "whoever asks keeps an old answer for a whole TTL more",
        "take keepttl out",
        _README,
        _EVERYWHERE,
    ),
    Row(
        "not cached",
        _not_cached,
        "only a cache on the node can mask a failure",
        "have a node cache in front",
        "kubernetes PR #128359",
    ),
    Row(
        "long TTL",
        _long_ttl,
        "endpoints that are gone are told for so long",
        "set ttl 30 in kubernetes, and no higher minimum in cache",
        "coredns plugin/kubernetes README",
    ),
    Row(
        "short TTL",
        _short_ttl,
        "caches in front keep them no longer, so they mask next to nothing",
        "set ttl 30 in kubernetes",
        "coredns plugin/kubernetes README",
    ),
    Row(
        "mask",
        _mask,
        "a rollout that breaks DNS looks well for so long",
        "wait longer than that between its steps",
        "OpenAI, 2024-12-11",
        ("node caches",),
    ),
    Row(
        "long NXDOMAIN",
        _long_denial,
        "a false one outlives its cause by so long",
        "set denial 9984 30 in cache",
        "RFC 2308",
        _EVERYWHERE,
    ),
    Row(
        "long SERVFAIL",
        _long_servfail,
        "DNS stays broken for so long after it was repaired",
        "take servfail out of cache: 5 s are the default",
        "RFC 2308 section 7.1",
        _EVERYWHERE,
    ),
)
