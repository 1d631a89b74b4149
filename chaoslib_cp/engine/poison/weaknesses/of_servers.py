"""Weaknesses of how a DNS server gets its data, starts, stops, and asks others."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from chaoslib_cp.engine.poison.corefile import IMPORT, Directive
from chaoslib_cp.engine.poison.lookup import resolve_snippets
from chaoslib_cp.engine.poison.tokens import shown
from chaoslib_cp.engine.poison.weaknesses.served import Served
from chaoslib_cp.engine.poison.weaknesses.weakness import Found, Level, Row

_KUBERNETES: Final = "coredns plugin/kubernetes README"
_RELOAD: Final = "coredns plugin/reload README"


def _bare_fallthrough(served: Served) -> Iterator[Found]:
    for option in served.options("kubernetes", "fallthrough"):
        if not option.arguments:
            yield Found("medium", option.line, "kubernetes hands on all that it does not find")


def _verified(served: Served) -> Iterator[Found]:
    for option in served.options("kubernetes", "pods"):
        if option.arguments == ("verified",):
            yield Found("medium", option.line, "pods verified")


def _autopath(served: Served) -> Iterator[Found]:
    for one in served.plugins("autopath"):
        yield Found("low", one.line, "autopath")


def _unlimited(served: Served) -> Iterator[Found]:
    for one in served.plugins("forward"):
        if all(option.name not in ("max_concurrent", IMPORT) for option in one.body):
            yield Found("low", one.line, "forward has no max_concurrent")


def _no_loop(served: Served) -> Iterator[Found]:
    return _missing("loop", "low")(served) if served.plugins("forward") else iter(())


def _missing(name: str, level: Level) -> Callable[[Served], Iterator[Found]]:
    def look(served: Served) -> Iterator[Found]:
        if not served.plugins(name):
            yield Found(level, served.block.line, f"no {name} in the block that answers for {served.zone}")

    return look


def _no_lameduck(served: Served) -> Iterator[Found]:
    every = [one for block in served.corefile.blocks for one in resolve_snippets(served.corefile, block)]
    health = [one for one in every if one.name == "health"]  # one serves them all
    if not any(option.name == "lameduck" for one in health for option in one.body):
        yield Found("low", health[0].line if health else served.block.line, "no lameduck in health")


def _reload(served: Served) -> Iterator[Found]:
    for one in served.plugins("reload"):
        yield Found("low", one.line, "reload takes each edit in by itself")


def _imports(served: Served) -> Iterator[Found]:
    for one in (*_unresolved(served.directives), *served.corefile.imports):
        yield Found("low", one.line, f"import {shown(one.arguments[0])}")


def _unresolved(directives: Iterable[Directive]) -> Iterator[Directive]:
    for one in directives:
        if one.name == IMPORT:
            yield one
        yield from _unresolved(one.body)


ROWS: Final = (
    Row(
        "bare fallthrough",
        _bare_fallthrough,
        "without data it asks upstream, whose NXDOMAIN is kept past the outage",
        "name the reverse zones behind it: in-addr.arpa ip6.arpa",
        _KUBERNETES,
    ),
    Row(
        "pods verified",
        _verified,
        "it watches every pod: more memory, and more to list when the API comes back",
        "use pods insecure",
        _KUBERNETES,
    ),
    Row(
        "autopath",
        _autopath,
        "it watches every pod, and so needs more memory",
        "take it out, or raise the memory limit",
        "coredns Scaling_CoreDNS.md",
    ),
    Row(
        "max_concurrent",
        _unlimited,
        "questions to a slow upstream pile up until the memory limit kills CoreDNS",
        "set max_concurrent 1000 in forward",
        "coredns PR #3640",
    ),
    Row(
        "loop",
        _no_loop,
        "a resolv.conf that leads back here is not noticed, and uses up the CPU",
        "add loop",
        "coredns plugin/loop README",
    ),
    Row(
        "ready",
        _missing("ready", "medium"),
        "a server without data is asked, and answers SERVFAIL",
        "add ready beside kubernetes",
        _KUBERNETES,
    ),
    Row(
        "lameduck",
        _no_lameduck,
        "questions on their way are lost at each restart",
        "set lameduck 5s in health",
        "coredns plugin/health README",
    ),
    Row(
        "reload",
        _reload,
        "while the API is away, an edit turns working DNS into SERVFAIL",
        "never repair DNS by an edit during an outage",
        _RELOAD,
    ),
    Row(
        "no reload",
        _missing("reload", "low"),
        "a mistake in an edit shows at the next restart, which fails",
        "add reload",
        _RELOAD,
    ),
    Row(
        "import",
        _imports,
        "what it brings in was not looked at",
        "look there yourself",
        "coredns.io/manual/configuration",
        ("servers", "node caches"),
    ),
)
