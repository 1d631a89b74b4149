"""The embedded testbed, spoken to as to any other infrastructure: by command line and JSON."""

import sys
from pathlib import Path

from chaoslib_cp.infrastructure.driver import killed_from_json, run_program


class TestbedDriver:
    """Uses ``chaos cp restart-containers``; the environment of ``chaos cp exec`` says which testbed."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def restart_containers(self, namespace: str, label: str, timeout_s: float) -> list[str]:
        """Kill the containers of matching pods on all kubelet nodes; see :class:`Driver`."""
        beside_python = Path(sys.executable).with_name("chaos")
        program = str(beside_python) if beside_python.exists() else "chaos"
        arguments = ["cp", "restart-containers", "--namespace", namespace, "--label", label, "--json"]
        return killed_from_json("chaos cp restart-containers", run_program([program, *arguments], timeout_s))
