"""What a run's own sampling costs the API server: pairs of half minutes with and without it."""

import json
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench import page, runs

PAIRS = 10
WINDOW_S = 30
SETTLE_S = 60
SERVER = "kube-apiserver-0"
# two-sided 95 % point of Student's t with PAIRS - 1 degrees of freedom
STUDENT_T = 2.262
# As as-incident, without its fake nodes: their leases come and go by 0.02 core, which would hide what is looked for.
# The samples are the same; what they ask for (one namespace, one dry run, /version) does not grow with the cluster.
SPEC = "api_server_cpu_cores: 0.4\napi_server_memory_mib: 4096\nfake_nodes: 0\npods_per_fake_node: 0\n"


def measure() -> None:
    """Alternate half minutes with and without observe and write the difference with its interval."""
    with tempfile.TemporaryDirectory() as folder, runs.testbed(_spec(Path(folder))):
        quota_cores = json.loads(runs.chaos_cp("status", "--json"))["spec"]["api_server_cpu_cores"]
        time.sleep(SETTLE_S)
        pairs = [(_cores(Path(folder), True), _cores(Path(folder), False)) for _ in range(PAIRS)]
    shares = [100 * (with_it - without) / quota_cores for with_it, without in pairs]
    half = STUDENT_T * statistics.stdev(shares) / math.sqrt(PAIRS)
    mean = statistics.mean(shares)
    rows = [
        [number + 1, f"{with_it:.4f}", f"{without:.4f}", f"{share:.2f} %"]
        for number, ((with_it, without), share) in enumerate(zip(pairs, shares, strict=True))
    ]
    body = (
        f"Sampling costs {mean:.2f} % of the API server's quota of {quota_cores} core (95 % interval {mean - half:.2f} "
        f"to {mean + half:.2f} %). Measured on a testbed without fake nodes, whose own work would hide it.\n\n"
        + page.table(["pair", "cores with", "cores without", "share of quota"], rows)
    )
    page.write_section("sampling", "What the sampling itself costs", body)


def _spec(folder: Path) -> str:
    path = folder / "no-fake-nodes.yaml"
    path.write_text(SPEC)
    return str(path)


def _cores(folder: Path, observed: bool) -> float:
    before_s = runs.cpu_s()[SERVER]
    if observed:
        subprocess.run(
            [
                *runs.CHAOS,
                "cp",
                "exec",
                "--name",
                runs.NAME,
                "--",
                runs.CHAOS[0],
                "-m",
                "tests.bench.watch",
                folder,
                str(WINDOW_S),
            ],
            cwd=runs.ROOT,
            check=True,
        )
    else:
        time.sleep(WINDOW_S)
    return (runs.cpu_s()[SERVER] - before_s) / WINDOW_S
