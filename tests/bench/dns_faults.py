"""docs/dns-faults.md: each lie about a name, and what was seen of it on real DNS servers; written by `make prove`."""

from collections.abc import Sequence
from typing import Any

from tests.bench import page
from tests.testbed.test_dns_poison import ROWS, WITH_DATA

PAGE = page.ROOT / "docs" / "dns-faults.md"
TESTS = "tests/testbed/test_dns_poison.py"
_HEAD = """# Lies about names

Each lie that `start_dns_poison` tells, on two real DNS servers of a testbed. `make prove` writes this page; `make test`
plays a part of the rows.

- **Heard**: past the caches of every DNS server, from every server, from the DNS Service and as workloads ask. A name
  outside the cluster is heard when the truth in a cache has expired; node caches ask others for it.
- **Proven**: the answer was wrong while the truth was known, and stayed so in caches while the servers said the truth
  past them. The TTL of an answer with data went down from one to the next, and foretold when it was gone.
- **To one client, to one node**: heard by the prober as a client of each server and of the DNS Service; the row of the
  node also behind the cache of its node. Nobody else heard it: past the caches, and in the first row behind that cache,
  the answer was true all the time. No server keeps such a lie; the cache of a node does, 5 s there, and its end counts
  as that of the gate.
- **Undone**: the gate closed with the API servers stopped and the runner killed; afterwards the Corefile was as before,
  byte for byte, and every server ran it.
- **Killed**: SIGKILL between the entry on disk and the edit; `chaos cp recover` left the Corefile alone, and nothing
  behind.

"""
_TAIL = """
## Not in the table

- **No IPv6 address** (`nodata-aaaa`): needs a name with such an address, which the testbed has none of. It is shown on
  one CoreDNS by `tests/unit/engine/poison/test_lies.py`.
- **A long TTL for every good answer**: `pin`, as in the last row; at node caches `start_node_cache_pin`, shown by
  `tests/testbed/test_node_cache_pin.py`.
- **A name outside the cluster, for pods behind a node cache**: `start_node_cache_pin` with `names` lets the caches ask
  cluster DNS about it; then `start_dns_poison`.
- **A lie in a hosts file**: nobody tells it, because it would not end without the API
  ([why](decisions/0010-no-lies-in-hosts-files.md)).

`address of a deleted endpoint` forges nothing: `pin` keeps what is true, and `replace_endpoints` makes it stale. Its
TTL is told by caches that hold the old address, its gate is the end of the pin, and nobody answers at that address.

## Where a lie can be told

By CoreDNS 1.11.3 and later that reads its Corefile from a ConfigMap which is its owner's own: kubeadm, kind, k3s, RKE2,
kops. Not where somebody else puts the Corefile back: AKS and OpenShift, and EKS where CoreDNS is its add-on. What a
Corefile imports from ConfigMaps is followed (k3s and AKS leave room for files of your own so); an import that cannot be
followed is refused, with its line.
"""
_ROGUE = "## Late, lost, or with a probability\n"
"""Where the part of the page begins that is written by hand, and stays."""


def write(notes: Sequence[dict[str, Any]]) -> None:
    """Write the page from what the tests noted.

    Args:
        notes: Lines of figures, each with its ``promise``.
    """
    rows = []
    for number, row in enumerate(ROWS):
        seen = [one for one in notes if (one["promise"], one.get("row")) == ("dns-row", number)]
        killed = sum((one["promise"], one.get("row")) == ("dns-row-killed", number) for one in notes)
        if seen:
            ttls = ", ".join(f"{one['ttl_s']:.0f}" for one in seen)
            gate_s, life_s = (max(one[key] for one in seen) for key in ("gate_late_s", "life_off_s"))
            end = f"; end in caches at most {life_s:.1f} s off" if row.lie["lie"] in WITH_DATA else ""
            proven = f"TTL {ttls} s" + ("; nobody else heard it" if "clients" in row.lie else end)
            rows.append([row.what, row.lie["lie"], "yes", proven, f"gate {gate_s:+.1f} s", "yes" if killed else "-"])
    head = ["what is told", "lie", "heard", "proven", "undone", "killed"]
    by_hand = _ROGUE + PAGE.read_text(encoding="utf-8").partition(_ROGUE)[2]
    PAGE.write_text(_HEAD + page.table(head, rows) + f"\n\n{page.circumstances()}.\n{_TAIL}\n{by_hand}")
