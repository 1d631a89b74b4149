"""Variables that would send a request through a proxy: refused, as kubectl would go there and we measure."""

from urllib.parse import urlsplit

import pytest

from chaoslib_cp.cluster.door.proxies import refuse_proxy
from chaoslib_cp.errors import TargetRefused

PROXY = {"HTTPS_PROXY": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("server", "environ"),
    [
        ("https://api.example", {}),
        ("https://api.example", {"http_proxy": "http://127.0.0.1:1"}),
        ("https://localhost:6443", PROXY),
        ("https://127.8.8.8:6443", PROXY),
        ("https://[::1]:6443", PROXY),
        ("https://api.example", {**PROXY, "NO_PROXY": "a.b, .example"}),
        ("https://10.1.2.3:6443", {**PROXY, "no_proxy": "bad/99,10.0.0.0/8"}),
        ("https://api.example", {**PROXY, "NO_PROXY": "*"}),
    ],
)
def test_a_server_that_is_reached_directly_passes(server: str, environ: dict[str, str]) -> None:
    """As Go's client decides."""
    refuse_proxy(urlsplit(server), "here", environ)


@pytest.mark.parametrize(
    ("server", "environ", "variable"),
    [
        ("https://api.example", PROXY, "HTTPS_PROXY"),
        ("https://api.example", {"https_proxy": "x"}, "https_proxy"),
        ("http://10.1.2.3", {"HTTP_PROXY": "x", "NO_PROXY": "10.2.0.0/16,other"}, "HTTP_PROXY"),
    ],
)
def test_a_server_behind_a_proxy_is_refused_by_the_variable(
    server: str, environ: dict[str, str], variable: str
) -> None:
    """With the two ways out."""
    with pytest.raises(TargetRefused, match=rf"here: {variable} would send .* to NO_PROXY, or unset {variable}"):
        refuse_proxy(urlsplit(server), "here", environ)
