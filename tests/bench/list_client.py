"""Lists all pods with the official Python client, and tells what that cost: a yardstick for ``client_cpu.py``.

``python -m tests.bench.list_client LISTS CONNECTIONS``, in ``chaos cp exec``. The bodies are read by its
connection pool and thrown away: decoding them would cost far more.
"""

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubernetes import config

from chaoslib_cp.engine.load.runner import own_cpu_s

_SERVER_CPU = re.compile(rb"^process_cpu_seconds_total (\S+)$", re.MULTILINE)


def main(lists: int, connections: int) -> None:
    """Make the lists, some at a time, and print one JSON object."""
    api: Any = config.new_client_from_config(context="agent")  # type: ignore[no-untyped-call]
    headers = {"Accept": "application/json"}
    headers |= {one["key"]: one["value"] for one in api.configuration.auth_settings().values() if one["value"]}

    def get(path: str) -> bytes:
        answer = api.rest_client.pool_manager.request("GET", api.configuration.host + path, headers=headers)
        assert answer.status == 200, answer.data
        body: bytes = answer.data
        return body

    def server_cpu_s() -> float:
        found = _SERVER_CPU.search(get("/metrics"))
        assert found is not None
        return float(found[1])

    def read(_number: int) -> int:
        return len(get("/api/v1/pods?resourceVersion=0"))

    server_before_s = server_cpu_s()
    began_s, client_before_s = time.monotonic(), own_cpu_s()
    with ThreadPoolExecutor(connections) as pool:
        sizes = list(pool.map(read, range(lists)))
    used = {"elapsed_s": time.monotonic() - began_s, "client_cpu_s": own_cpu_s() - client_before_s}
    told = {**used, "server_cpu_s": server_cpu_s() - server_before_s, "received_bytes": sum(sizes), "ok": len(sizes)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
