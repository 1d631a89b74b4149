"""API servers that run out of memory, played for real: whether they come back is decided by how their clients retry."""

import json
import os
from pathlib import Path

import pytest

from tests.scaffold import part
from tests.testbed.conftest import brought_up
from tests.testbed.test_dns_experiments import expected, summary_of_run

pytestmark = [pytest.mark.testbed, pytest.mark.proof]
EXPERIMENT = "api-memory"


@pytest.mark.parametrize("retry", ["client-go", "naive"])
def killed_servers_come_back_where_clients_wait(
    can_run_testbeds: None,  # noqa: ARG001 - it skips
    tmp_path: Path,
    retry: str,
) -> None:
    """On a testbed of its own each: a server that was killed in one run would be kept down longer in the next."""
    with brought_up("memory", f"memory-{os.getpid()}") as fresh:
        summary = summary_of_run(fresh, tmp_path, EXPERIMENT, {"client_retry": retry})
    figures, reasons = summary["figures"], summary["reasons"]
    assert figures["api_restart_count"] >= 2, json.dumps(figures)
    trigger = figures["api_recover_by_load_s"]["api_overload-2"]
    if retry == "client-go":
        assert summary["verdict"] == expected(EXPERIMENT), summary["why"]
        assert "not by itself" not in reasons.get("api_recover_by_load_s", "")
    else:
        assert summary["verdict"] == "broke", summary["why"]
        assert trigger > 60


if part.is_whole():  # minutes each
    test_killed_servers_come_back_where_clients_wait = killed_servers_come_back_where_clients_wait
