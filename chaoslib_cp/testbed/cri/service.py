"""Both ends of a gRPC service, built from its descriptor instead of generated stubs.

Generated gRPC modules demand the grpcio they were generated with, or a newer one; the descriptor holds all they know.
"""

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from chaoslib_cp.testbed.cri.failure import CallFailed

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    Handler = grpc.GenericRpcHandler[Any, Any]
else:
    Handler = grpc.GenericRpcHandler  # generic in the type stubs only


class ServiceHandler(Handler):
    """Serve the methods of ``service`` by the methods of ``servant`` with the same names in snake case.

    A servant's method takes the request and returns the answer, or raises CallFailed. A method that the descriptor
    does not have is answered with UNIMPLEMENTED and its name.
    """

    def __init__(self, service: ServiceDescriptor, servant: object) -> None:
        self._prefix = f"/{service.full_name}/"
        self._methods = {
            method.name: _method_handler(method, getattr(servant, _snake_case(method.name)))
            for method in service.methods
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler for one call, or None when it is another service's."""
        path = str(handler_call_details.method)
        if not path.startswith(self._prefix):
            return None
        name = path.removeprefix(self._prefix)
        return self._methods.get(name) or grpc.unary_unary_rpc_method_handler(_refuse(name))


def stub(channel: grpc.Channel, service: ServiceDescriptor, name: str) -> Callable[..., Any]:
    """Return the callable for method ``name`` of ``service`` over ``channel``."""
    method = service.methods_by_name[name]
    call: Callable[..., Any] = channel.unary_unary(
        f"/{service.full_name}/{name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return call


def _method_handler(method: MethodDescriptor, function: Callable[[Any], Message]) -> Any:
    def call(request: Message, context: grpc.ServicerContext) -> Message:
        try:
            return function(request)
        except CallFailed as failure:
            if failure.code is not grpc.StatusCode.NOT_FOUND:
                log.warning("%s: %s", method.name, failure)
            context.abort(failure.code, str(failure))
            raise  # not reached: abort raises; this line tells the type checker

    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )


def _refuse(name: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def call(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the testbed's runtime does not support {name}")
        return b""

    return call


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
