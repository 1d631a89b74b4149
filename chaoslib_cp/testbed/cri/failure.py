"""How a call of the runtime fails: a gRPC status code and one line that ends up in the pod's events."""

import grpc

from chaoslib_cp.errors import TestbedFailed


class CallFailed(TestbedFailed):
    """One call to the runtime failed; nothing it started was left behind.

    Args:
        code: what the kubelet decides by; NOT_FOUND means "gone already" to it.
        message: one line for the pod's events.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def unsupported(what: str) -> CallFailed:
    """Build the refusal of something a real container runtime could do and this one cannot."""
    return CallFailed(grpc.StatusCode.UNIMPLEMENTED, f"the testbed's runtime does not support {what}")


def not_found(kind: str, identity: str) -> CallFailed:
    """Build the answer for an object that does not exist (any more)."""
    return CallFailed(grpc.StatusCode.NOT_FOUND, f"{kind} {identity} does not exist")
