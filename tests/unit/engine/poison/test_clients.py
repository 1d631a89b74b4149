"""A lie that only some clients hear, on a real CoreDNS: they hear it between two moments, and nobody else ever does."""

import time
from pathlib import Path

import pytest

from chaoslib_cp.engine.poison.arming import BACKEND_PORT, Poison, armed
from chaoslib_cp.engine.poison.clients import MOST_CLIENTS, read_clients
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.corefiles import TRUTH, stock
from tests.scaffold.waiting import until

API, OTHER = "api.shop.svc.cluster.local.", "other.shop.svc.cluster.local."
FORGED, TTL_S, LASTS_S = "192.0.2.66", 40, 2
ADDRESS = "127.0.0.54"  # the backend's port is the same everywhere, so another test may have it at 127.0.0.1
INSIDE, OUTSIDE = ("127.0.0.71", "127.0.9.1", "127.0.9.200"), ("127.0.0.72", "127.0.10.1", "127.0.0.54")
TRUE, FALSE, GONE = ("NOERROR", {TRUTH}), ("NOERROR", {FORGED}), ("NXDOMAIN", set[str]())


@pytest.mark.programs
def test_a_client_in_scope_hears_it_between_two_moments_and_nobody_else_ever_does(tmp_path: Path) -> None:
    """Beside a lie of the same arming for everybody, which the server keeps; of the other one it keeps nothing."""
    port, corefile = coredns.free_port(), tmp_path / "Corefile"
    begins_s = round(time.time()) + 3  # noqa: TID251 - the clock of the DNS server
    clients = read_clients(["127.0.0.71", "127.0.9.0/24", "fd00::17"])
    lies = (Lie("wrong-address", API, TTL_S, (FORGED,), clients=clients), Lie("nxdomain", OTHER, TTL_S))
    text = stock(port).replace("127.0.0.1", ADDRESS)
    corefile.write_text(armed(text, Poison(lies, begins_s, begins_s + LASTS_S, "r-1"), "cluster.local", port))
    outside: list[tuple[str, set[str]]] = []

    def heard(client: str, name: str = API, at: int = port) -> tuple[str, set[str]]:
        code, records = coredns.said(coredns.ask(name, "A", at, ADDRESS, client))
        return code, set(records)

    def heard_inside() -> list[tuple[str, set[str]]]:
        outside.extend(heard(client) for client in OUTSIDE)
        return [heard(client) for client in INSIDE]

    with coredns.running(corefile):
        assert heard_inside() == [TRUE] * 3
        until(lambda: heard_inside() == [FALSE] * 3, "the gate to open")
        assert coredns.said(coredns.ask(API, "A", port, ADDRESS, INSIDE[0]))[1] == {FORGED: TTL_S}
        assert heard(INSIDE[0], at=BACKEND_PORT) == TRUE
        assert [heard(client, OTHER) for client in (*INSIDE, *OUTSIDE)] == [GONE] * 6
        until(lambda: heard_inside() == [TRUE] * 3, "the gate to close")
        assert [heard(client, OTHER) for client in (*INSIDE, *OUTSIDE)] == [GONE] * 6
    assert all(one == TRUE for one in outside)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, ()),
        (["10.244.3.17"], ("10.244.3.17/32",)),
        (["10.244.3.0/24", "fd00::17", "FD00:0::/64"], ("10.244.3.0/24", "fd00::17/128", "fd00::/64")),
    ],
)
def test_clients_are_read_as_blocks(given: object, read: tuple[str, ...]) -> None:
    """As CoreDNS compares them."""
    assert read_clients(given) == read


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "clients is []; nothing was changed; use a list of 1 to 16 addresses"),
        (["10.0.0.1"] * (MOST_CLIENTS + 1), "use a list of 1 to 16 addresses"),
        ("10.0.0.1", "clients is 10.0.0.1; nothing was changed; use a list"),
        (["shop/pod-1"], "client 'shop/pod-1' is neither an address nor a block of them; nothing was changed; use one"),
        (["10.0.0.1/24"], "client '10.0.0.1/24' is neither"),
        (["fe80::1%eth0"], "client 'fe80::1%eth0' is neither"),
        (["') || true //"], "is neither"),
        ([167772161], "client '167772161' is neither"),
    ],
    ids=str,
)
def test_what_is_no_client_is_refused(given: object, words: str) -> None:
    """In one line; nothing of it can reach a Corefile."""
    with pytest.raises(ProfileInvalid) as refused:
        read_clients(given)
    assert words in str(refused.value)
