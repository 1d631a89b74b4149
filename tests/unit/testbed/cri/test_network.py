"""Pod addresses: each pod its own, the DNS cache always the same."""

import pytest

from chaoslib_cp.testbed.cri.failure import CallFailed
from chaoslib_cp.testbed.cri.network import FIRST_POD_HOST, LAST_POD_HOST, Addresses


def test_addresses_are_given_in_turn() -> None:
    """A fresh pod does not get the address of one that just ended, which others may still talk to."""
    addresses = Addresses("10.244.1.0/24")
    first = addresses.take()
    addresses.give_back(first)
    assert (first, addresses.take()) == ("10.244.1.64", "10.244.1.65")


def test_node_cache_has_one_fixed_address() -> None:
    """Pods' resolv.conf names the cache by address, so it gets the same one again; two at once are refused."""
    addresses = Addresses("10.244.2.0/24")
    assert addresses.take(53) == "10.244.2.53"
    with pytest.raises(CallFailed, match=r"10\.244\.2\.53"):
        addresses.take(53)
    addresses.give_back("10.244.2.53")
    assert addresses.take(53) == "10.244.2.53"


def test_all_addresses_are_used_before_one_is_refused() -> None:
    """The range is used whole, round its end, and says so when it is full."""
    addresses = Addresses("10.244.1.0/24")
    count = LAST_POD_HOST - FIRST_POD_HOST + 1
    taken = [addresses.take() for _ in range(count)]
    assert len(set(taken)) == count
    with pytest.raises(CallFailed, match="no free pod address"):
        addresses.take()
    addresses.give_back(taken[7])
    assert addresses.take() == taken[7]
