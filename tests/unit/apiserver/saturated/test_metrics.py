"""What the difference between two pages of metrics says."""

import pytest

from chaoslib_cp.apiserver.saturated.memory import Growth, Memory
from chaoslib_cp.apiserver.saturated.metrics import KEPT, QUERY, EtcdCalls, Metrics, metrics_of, notes_of
from tests.fakes.metrics_page import page_read, page_text

MIB = 2**20


def told(*pages: str) -> Metrics:
    """The pages, 5 s apart."""
    found = metrics_of([(2000.0 + 5 * number, page_read(page)) for number, page in enumerate(pages)])
    assert found is not None
    return found


def noted(*pages: str) -> Memory:
    """What the same pages say of its memory, in a look that began with the first."""
    return Memory(2000.0, tuple(notes_of([(2000.0 + 5 * n, page_read(page)) for n, page in enumerate(pages)])))


def test_rates_are_differences() -> None:
    """CPU per second, goroutines that waited, etcd without its lists; what came before the window is no part."""
    seen = told(
        page_text(cpu_s=100, woken=(1000, 900), etcd=(50, 100), etcd_writes=(9, 10)),
        page_text(cpu_s=102, woken=(1400, 1000), cpu_classes=(92.5, 110), etcd=(53, 120), etcd_writes=(11, 18)),
    )
    assert (seen.pages, seen.seconds, seen.cores, seen.idle_share) == (2, 5.0, 0.4, 0.25)
    # of eight that get to run Go looks at one; each waited for the lower bound of its bucket, 10.5 ms
    assert seen.waiting_goroutines == pytest.approx(8 * 100 * 0.0105 / 5.0, rel=0.01)
    assert seen.etcd_reads == EtcdCalls(0.15, 20)
    assert seen.etcd_writes == EtcdCalls(0.25, 8)
    assert seen.age_s == 1005.0


def test_one_page_has_no_rates() -> None:
    """What is a difference is not known then; what stands on the page is."""
    seen = told(page_text(waiting={"workload-low": 7}))
    assert (seen.cores, seen.waiting_goroutines, seen.etcd_reads, seen.seconds) == (None, None, None, None)
    assert [(one.name, one.waiting) for one in seen.levels] == [("workload-low", 7)]


def test_etcd_is_known_for_each_part_of_the_window() -> None:
    """What is slow from one page to the next alone does not last."""
    seen = told(page_text(etcd_writes=(0, 0)), page_text(etcd_writes=(8, 20)), page_text(etcd_writes=(8.2, 40)))
    assert seen.etcd_writes == EtcdCalls(pytest.approx(0.205), 40, pytest.approx(0.01))  # type: ignore[arg-type]


@pytest.mark.parametrize(("counted_s", "idle_share"), [(0.0, None), (0.8, None), (9.0, 0.0), (300.0, None)])
def test_go_counts_its_idle_threads_when_it_collects_garbage(counted_s: float, idle_share: float | None) -> None:
    """Two threads, pages 5 s apart. Of a collection alone, or of the minutes before the window, nothing follows."""
    first, last = ((90.0, 100.0 + counted) for counted in (0.0, counted_s))
    assert told(page_text(cpu_classes=first), page_text(cpu_classes=last)).idle_share == idle_share


def test_a_restart_is_another_start_time() -> None:
    """Rates are those of the last process alone; the memory of the one before is what it had at last."""
    pages = (
        page_text(started_s=1000, rss_mib=300, cpu_s=500),
        page_text(started_s=1000, rss_mib=900, cpu_s=510),
        page_text(started_s=2008, rss_mib=200, cpu_s=1),
        page_text(started_s=2008, rss_mib=250, cpu_s=2),
    )
    assert (told(*pages).cores, told(*pages).age_s) == (0.2, 7.0)
    memory = noted(*pages)
    assert (memory.restarts, memory.growth) == (1, Growth(300 * MIB, 900 * MIB))


def test_another_server_behind_the_same_address_is_no_restart() -> None:
    """It began long ago; its counters are not compared with those of the first."""
    pages = (page_text(started_s=1500, cpu_s=50), page_text(started_s=1000, cpu_s=900))
    assert (noted(*pages).restarts, told(*pages).cores) == (0, None)


def test_seats_queues_and_rejections_by_priority_level() -> None:
    """Exempt requests never wait, and a client that went away says nothing of seats."""
    reasons = {("workload-low", "queue-full"): 5.0, ("workload-low", "cancelled"): 7.0, ("other", "time-out"): 3.0}
    seats = {"workload-low": (40.0, 40.0)}
    seen = told(
        page_text(rejected=reasons, waiting={"workload-low": 3, "exempt": 9}, executing=seats),
        page_text(
            rejected={**reasons, ("workload-low", "queue-full"): 9.0, ("workload-low", "cancelled"): 99.0},
            waiting={"workload-low": 8, "exempt": 9},
            executing={"workload-low": (20.0, 40.0)},
            waited={"workload-low": (6.0, 3.0)},
        ),
    )
    low = next(one for one in seen.levels if one.name == "workload-low")
    assert dict(low.rejected) == {"queue-full": 4.0}
    assert (low.executing, low.limit, low.waiting, low.most_waiting, low.wait_s) == (40, 40, 3, 8, 2.0)
    assert {one.name for one in seen.levels if one.rejected} == {"workload-low"}
    assert "exempt" not in {one.name for one in seen.levels}


def test_a_page_of_something_else_is_no_evidence() -> None:
    """A proxy's error page, or the metrics of another program."""
    assert metrics_of([(2000.0, page_read("<html>sign in</html>\nup 1\n"))]) is None
    assert metrics_of([]) is None


def test_only_what_is_used_is_asked_for() -> None:
    """A server that filters by name is asked for families; the page of others is filtered here by its lines."""
    for name in ("process_cpu_seconds_total", "go_sched_latencies_seconds", "etcd_request_duration_seconds"):
        assert f"name%5B%5D={name}" in QUERY
    assert "etcd_request_duration_seconds_bucket" not in KEPT
