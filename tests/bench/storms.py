"""Who dies depends on the agent's identity and its requests: the table the as-incident spec follows from."""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import page, runs

NEVER_S = 3600  # a request with this period is not asked within a run
# (namespace of the agent's ServiceAccount, period of GET /metrics, period of LIST pods; seconds)
CHOICES = [
    ("kube-system", 3, 30),
    ("kube-system", NEVER_S, 15),
    ("chaoslib-cp", 3, 30),
    ("chaoslib-cp", NEVER_S, 15),
]
STORM_S = 100
REPEATS = 1


def measure() -> None:
    """Play the rehearsal with each choice and write the table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (namespace, metrics_period_s, list_period_s) in enumerate(CHOICES):
            for repeat in range(REPEATS):
                # a testbed each: what crashed in one run would be kept down by back-offs in the next
                with runs.testbed("as-incident"):
                    summary, run = runs.run_experiment(
                        Path(folder) / f"{number}-{repeat}",
                        agent_namespace=namespace,
                        metrics_period_s=metrics_period_s,
                        list_period_s=list_period_s,
                        agent_duration_s=STORM_S,
                        dns_restart="restart-containers",
                    )
                requests = _requests(metrics_period_s, list_period_s)
                rows.append([namespace, requests, *_row(summary["figures"], run)])
    head = ["ServiceAccount in", "each agent asks", "admin write p50 / max", "failed or over 5 s", "lock-out"]
    head += ["workload DNS lost", "DNS servers wrong for"]
    body = (
        f"Spec as-incident; storm of {STORM_S} s by 202 agents; both DNS servers' containers restarted once the API "
        "is saturated. An admin write is a dry-run create on a fresh connection, given up after 5 s. "
        f"Each on a testbed of its own.\n\n" + page.table(head, rows)
    )
    page.write_section("storms", "Admin writes and DNS under the storm, by the agent's identity and requests", body)


def _requests(metrics_period_s: float, list_period_s: float) -> str:
    wanted = [("GET /metrics", metrics_period_s), ("LIST pods", list_period_s)]
    return ", ".join(f"{name} every {period_s} s" for name, period_s in wanted if period_s < NEVER_S)


def _row(figures: dict[str, Any], run: Path) -> list[object]:
    begins_s, ends_s = runs.storm(run)
    writes = [sample for sample in runs.samples(run, "admin_write") if begins_s <= sample["at_s"] < ends_s]
    latencies_s = sorted(sample["latency_s"] for sample in writes)
    failed = sum(not sample["ok"] for sample in writes)
    return [
        f"{statistics.median(latencies_s):.2f} / {latencies_s[-1]:.1f} s",
        f"{failed} of {len(writes)}",
        _seconds(figures["lockout_s"]),
        _seconds(figures["dns_lost_s"]),
        _seconds(runs.longest_failure_s(run, "dns_uncached")),
    ]


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f} s"
