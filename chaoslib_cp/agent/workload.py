"""What the prober does as a workload does: it looks a short name up, connects, asks for what no cache can hold."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chaoslib_cp.agent.prober_settings import ProberSettings
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.dns_message import query_for
from chaoslib_cp.engine.sample.lookup import CLibrary
from chaoslib_cp.engine.sample.pace import Question
from chaoslib_cp.vantage import DNS_CONNECT, DNS_LOOKUP, DNS_NEVER_ASKED

SENTINEL_PORT: Final = 80
"""Of the sentinel Service (manifests/prober.yaml); behind it is the prober's own page."""


def workload_questions(settings: ProberSettings) -> Sequence[Question]:
    """The questions; those of the C library only where it can ask them, for it knows no port but 53."""
    questions = [_never_asked(settings)]
    if settings.dns_port == dns.DNS_PORT:
        questions += _by_c_library(settings)
    return questions


def _by_c_library(settings: ProberSettings) -> list[Question]:
    library, name = CLibrary(), settings.short_sentinel

    async def look_up() -> dns.DnsSample:
        return settings.judged(await library.look_up(name, DNS_LOOKUP.deadline_s))

    async def connect() -> dns.DnsSample:
        return settings.judged(await library.look_up_and_connect(name, SENTINEL_PORT, DNS_CONNECT.deadline_s))

    return [
        Question(DNS_LOOKUP.name, name, DNS_LOOKUP.period_s, look_up, 0.6),
        Question(DNS_CONNECT.name, f"{name}:{SENTINEL_PORT}", DNS_CONNECT.period_s, connect, 0.8),
    ]


def _never_asked(settings: ProberSettings) -> Question:
    """A name that nobody asked for before, so that no cache can know: that there is none is the right answer."""

    async def ask() -> dns.DnsSample:
        name = f"{secrets.token_hex(6)}.{settings.namespace_domain}"
        query, within_s = query_for(name, settings.families[0]), DNS_NEVER_ASKED.deadline_s
        sample = await dns.ask(settings.nameserver, query, within_s, port=settings.dns_port)
        if sample.outcome in ("ok", "nodata"):
            return replace(sample, outcome="wrong")
        return replace(sample, outcome="ok") if sample.outcome == "nxdomain" else sample

    return Question(DNS_NEVER_ASKED.name, settings.nameserver, DNS_NEVER_ASKED.period_s, ask, 0.9)
