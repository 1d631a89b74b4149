"""The schedule: when requests come due, as arithmetic."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.retry import retry_wait_s
from chaoslib_cp.engine.load.schedule import due_offsets
from chaoslib_cp.outcome import Outcome

AGENTS = [f"agent-{number}" for number in range(400)]


def profile(period_s: float = 10.0, **more: float | str) -> LoadProfile:
    """Return a profile with one request."""
    return LoadProfile(requests=(RequestSpec("/metrics", period_s=period_s),), **more)  # type: ignore[arg-type]


def first(count: int, made: LoadProfile, agent_id: str = "agent-0") -> list[float]:
    """Return the first due offsets of an agent."""
    return list(itertools.islice(due_offsets(made, agent_id, 0), count))


@given(st.floats(0.1, 3600), st.floats(0, 1), st.floats(0, 600), st.integers(0, 2**63 - 1))
def test_requests_come_due_in_order_and_at_exactly_the_offered_rate(
    period_s: float, jitter_ratio: float, ramp_s: float, seed: int
) -> None:
    """Jitter moves a request inside its period but never adds up: n periods hold n requests."""
    made = profile(period_s, jitter_ratio=jitter_ratio, ramp_s=ramp_s, seed=seed)
    due = first(50, made)
    assert due == sorted(due)
    assert 0 <= due[0] <= ramp_s + period_s * (1 + jitter_ratio)
    tolerance_s = 1e-6 * period_s
    for count, offset in enumerate(due):
        assert -tolerance_s <= offset - due[0] - (count - jitter_ratio) * period_s
        assert offset - due[0] - (count + jitter_ratio) * period_s <= tolerance_s


def test_the_same_seed_gives_the_same_schedule_whoever_else_is_there() -> None:
    """A run can be repeated, and an agent keeps its schedule when others come and go."""
    assert first(20, profile()) == first(20, profile())
    assert first(20, profile()) != first(20, profile(seed=2))
    assert first(20, profile()) != first(20, profile(), "agent-1")


def test_agents_do_not_march_in_step() -> None:
    """Four hundred agents started together spread their first requests over the whole period."""
    starts = sorted(first(1, profile(10.0, jitter_ratio=0.0), agent)[0] for agent in AGENTS)
    for tenth in range(10):
        share = sum(tenth <= start < tenth + 1 for start in starts)
        assert 15 <= share <= 70, f"second {tenth} holds {share} of 400 first requests"


def test_a_ramp_spreads_the_beginning_of_agents() -> None:
    """Half of the agents have begun at half of the ramp."""
    made = profile(0.1, jitter_ratio=0.0, ramp_s=100.0)
    begun = sum(first(1, made, agent)[0] <= 50 for agent in AGENTS)
    assert 160 <= begun <= 240


def test_a_ramp_in_steps_lets_groups_begin_together() -> None:
    """Four groups of about the same size, a quarter of the ramp apart, and nobody between them."""
    made = profile(3600.0, jitter_ratio=0.0, phase_ratio=0.0, ramp="steps", ramp_s=100.0, ramp_steps=4)
    starts = [first(1, made, agent)[0] for agent in AGENTS]
    assert {start: 70 <= starts.count(start) <= 130 for start in set(starts)} == {
        0: True,
        25: True,
        50: True,
        75: True,
    }


def test_an_agent_that_reads_when_it_starts_does_so_at_once() -> None:
    """Informers list first and wait then: with phase 0 all agents of a new DaemonSet ask in the same moment."""
    made = profile(60.0, jitter_ratio=0.0, phase_ratio=0.0, ramp="all-at-once")
    assert {tuple(first(3, made, agent)) for agent in AGENTS} == {(0, 60, 120)}


def test_a_naive_client_tries_again_for_ever_and_reads_no_retry_after() -> None:
    """Whatever may go away by itself; not what the server has decided, and not what we broke off."""
    lost: list[Outcome] = ["http_403", "http_429", "http_5xx", "timeout", "refused", "reset", "unreachable"]
    assert {retry_wait_s("naive", 500, outcome, "30") for outcome in lost} == {0.1}
    decided: list[Outcome] = ["ok", "http_401", "http_4xx", "tls", "aborted"]
    assert {retry_wait_s("naive", 1, outcome, "30") for outcome in decided} == {None}


def test_client_go_retries_as_the_go_client_does() -> None:
    """429 and 5xx with Retry-After in seconds, lost connections after 1 s, at most ten times; nothing else."""
    assert retry_wait_s("client-go", 1, "http_429", "3") == 3
    assert retry_wait_s("client-go", 10, "http_5xx", "1") == 1
    assert retry_wait_s("client-go", 11, "http_5xx", "1") is None
    assert retry_wait_s("client-go", 1, "reset", None) == 1
    final: list[tuple[Outcome, str | None]] = [
        ("http_429", None),
        ("http_429", "Wed, 21 Oct 2026"),
        ("http_4xx", "1"),
        ("timeout", None),
    ]
    for outcome, header in final:
        assert retry_wait_s("client-go", 1, outcome, header) is None, outcome
    assert retry_wait_s("none", 1, "http_429", "1") is None
