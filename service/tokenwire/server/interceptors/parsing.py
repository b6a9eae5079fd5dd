"""Parses requests where a failure can be told to the caller.

gRPC parses before any interceptor runs, answers a failure by itself and logs a
traceback; so it gets no parser, and the innermost interceptor does it.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.core.errors import MalformedRequest
from tokenwire.core.large_work import next_step
from tokenwire.server.interceptors.base import Behaviour, Context, Handler, Interceptor
from tokenwire.v1 import chatgpt_pb2 as pb

LARGE_BYTES: Final = 1 << 16


class ParsingInterceptor(Interceptor):
    """Hands the handler a message made of the request's bytes.

    Args:
        limits: What the message may hold.
    """

    def __init__(self, limits: FieldLimits) -> None:
        super().__init__()
        self._limits = limits

    def deserializer(self, handler: Handler) -> None:
        """Take gRPC's parser away."""
        del handler

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Parse the request.

        Raises:
            InvalidParameter: It holds too many of a field.
            MalformedRequest: The bytes are not an openai.Message.
        """
        del method
        assert isinstance(request, bytes)  # noqa: S101 - as intercept_service arranged
        large = len(request) > LARGE_BYTES
        if large:
            await next_step()
        self._limits.check(request)
        if large:
            # What is to come, up to the upstream's request, takes milliseconds too.
            await next_step()
        # Handed on without a name here, which would hold it until the call's end.
        await proceed(_parse(request), context)


def _parse(request: bytes) -> pb.Message:
    try:
        return pb.Message.FromString(request)
    except DecodeError:
        raise MalformedRequest from None
