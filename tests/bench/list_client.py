"""Lists all pods with the official Python client, and tells what that cost: a yardstick for ``client_cpu.py``.

``python -m tests.bench.list_client LISTS CONNECTIONS``, in ``chaos cp exec``. The bodies are read and thrown away.
"""

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubernetes import client, config

from chaoslib_cp.engine.load.runner import own_cpu_s

_SERVER_CPU = re.compile(rb"^process_cpu_seconds_total (\S+)$", re.MULTILINE)


def main(lists: int, connections: int) -> None:
    """Make the lists, some at a time, and print one JSON object."""
    core: Any = client.CoreV1Api(config.new_client_from_config(context="agent"))  # type: ignore[no-untyped-call]

    def server_cpu_s(_number: int = 0) -> float:
        page = core.api_client.call_api("/metrics", "GET", auth_settings=["BearerToken"], _preload_content=False)[0]
        found = _SERVER_CPU.search(page.data)
        assert found is not None, page.status
        return float(found[1])

    def read(_number: int) -> int:
        answer = core.list_pod_for_all_namespaces(resource_version="0", _preload_content=False)
        return len(answer.data)

    server_before_s = server_cpu_s()
    began_s, client_before_s = time.monotonic(), own_cpu_s()
    with ThreadPoolExecutor(connections) as pool:
        sizes = list(pool.map(read, range(lists)))
    used = {"elapsed_s": time.monotonic() - began_s, "client_cpu_s": own_cpu_s() - client_before_s}
    told = {**used, "server_cpu_s": server_cpu_s() - server_before_s, "received_bytes": sum(sizes), "ok": len(sizes)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
