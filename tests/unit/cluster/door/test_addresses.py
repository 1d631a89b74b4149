"""Several API servers behind one name: a dead one is passed over, by everybody, and nothing is sent twice."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from chaoslib_cp.cluster.door.address import accepts, first_that_accepts
from chaoslib_cp.cluster.door.call import CallFailed
from chaoslib_cp.cluster.door.connect import describe, open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from tests.fakes.api_server import RESET
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock

SYSTEM = "/api/v1/namespaces/kube-system"


@pytest.fixture
def three(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> KubeObjects:
    """A name with three addresses, of which the second is alive."""
    resolve = socket.getaddrinfo

    def resolved(host: str, port: Any, *arguments: Any, **named: Any) -> Any:
        hosts = ("127.0.0.2", "127.0.0.1", "127.0.0.3") if host == "localhost" else (host,)
        return [one for each in hosts for one in resolve(each, port, *arguments, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    kube.kubeconfig.write_text(kube.kubeconfig.read_text().replace("127.0.0.1", "localhost"))
    return kube


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that answers no connection: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for one in fillers:
            one.close()


def test_a_dead_address_is_passed_over_by_all(three: KubeObjects) -> None:
    """The gate, every identity, and who measures without this client."""
    port = three.server.port
    for identity in ("runner", "admin", "break-glass"):
        with open_cluster(three.settings(), identity) as cluster:
            assert cluster.addresses == tuple(f"127.0.0.{last}:{port}" for last in (2, 1, 3))
            assert cluster.get(SYSTEM) is not None
            assert cluster.get(SYSTEM) is not None
    assert check_gate(three.settings(), ManualClock())
    assert describe(three.settings(), "runner").target().address == "127.0.0.1"


def test_a_noted_address_is_tried_after_those_that_the_name_has_now(kube: KubeObjects) -> None:
    """DNS may lead to servers that are gone; the certificate is still checked against the name."""
    port = kube.server.port
    kube.kubeconfig.write_text(kube.kubeconfig.read_text().replace("127.0.0.1:", "127.0.0.2:"))
    with open_cluster(kube.settings(), known_addresses=[f"127.0.0.1:{port}"]) as cluster:
        with pytest.raises(CallFailed, match="tls"):
            cluster.get(SYSTEM)
        assert cluster.addresses == (f"127.0.0.2:{port}", f"127.0.0.1:{port}")
    assert kube.server.requests == []


def test_when_all_are_dead_it_is_said_that_nothing_was_sent(three: KubeObjects) -> None:
    """Within the one deadline."""
    port = f":{three.server.port}"
    three.kubeconfig.write_text(three.kubeconfig.read_text().replace(port, ":1"))
    with open_cluster(three.settings()) as cluster, pytest.raises(CallFailed) as caught:
        cluster.call("DELETE", f"{SYSTEM}/configmaps/x", timeout_s=2)
    assert (caught.value.is_unknown, caught.value.outcome) == (False, "refused")
    assert three.server.requests == []


def test_what_was_sent_is_not_sent_to_another_address(three: KubeObjects) -> None:
    """A reset after the request leaves its outcome unknown."""
    three.fail_next("DELETE", "/", RESET, times=9)
    with open_cluster(three.settings()) as cluster, pytest.raises(CallFailed) as caught:
        cluster.call("DELETE", f"{SYSTEM}/configmaps/x", timeout_s=2)
    assert caught.value.is_unknown
    assert len(three.writes()) == 1


def test_an_address_that_says_nothing_takes_only_its_share_of_the_time(kube: KubeObjects, silent: str) -> None:
    """The others have theirs."""
    alive = f"127.0.0.1:{kube.server.port}"
    assert accepts(alive, 1)
    assert not accepts(silent, 0.1)
    assert first_that_accepts([silent, alive, silent], 2) == alive
    assert first_that_accepts([silent, silent, alive], 1) == alive
    assert first_that_accepts(["127.0.0.2:1"], 1) == "127.0.0.2:1"
    assert not accepts("[::1]:1", 0.1)
