"""The bytes of a request."""

from urllib.parse import quote, urlencode

from chaoslib_cp.engine.load.profile import RequestSpec
from chaoslib_cp.version import VERSION

# not curl, Wget or Mozilla: to those the API server answers in indented JSON, which costs it more
# (kubernetes/apiserver: pkg/endpoints/handlers/negotiation/negotiate.go)
USER_AGENT = f"chaoslib-cp/{VERSION}"


def request_head(spec: RequestSpec, host: str, token: str) -> bytes:
    """Return the request line and headers of one request, with the empty line that ends them."""
    path = f"{spec.path}?{urlencode(spec.query, quote_via=quote)}" if spec.query else spec.path
    headers = {"Host": host, "User-Agent": USER_AGENT, "Accept": spec.accept}
    headers["Accept-Encoding"] = "gzip" if spec.gzip else "identity"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return head_of(spec.method, path, headers)


def head_of(method: str, path: str, headers: dict[str, str]) -> bytes:
    """Return a request line and headers as bytes.

    Raises:
        ValueError: a header holds a line end; sent as it is, it would begin a header of its own.
    """
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a request line or header holds a line end")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
