"""Parses requests where a failure can be told to the caller.

gRPC parses before any interceptor runs, answers a failure by itself and logs a
traceback; so it gets no parser, and the innermost interceptor does it.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from tokenwire.errors import MalformedRequest
from tokenwire.interceptors.base import Behaviour, Context, Handler, Interceptor
from tokenwire.v1 import chatgpt_pb2 as pb


class ParsingInterceptor(Interceptor):
    """Hands the handler a message made of the request's bytes."""

    def deserializer(self, handler: Handler) -> None:
        """Take gRPC's parser away."""
        del handler

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Parse the request.

        Raises:
            MalformedRequest: The bytes are not an openai.Message.
        """
        del method
        assert isinstance(request, bytes)  # noqa: S101 - as intercept_service arranged
        try:
            message = pb.Message.FromString(request)
        except DecodeError:
            raise MalformedRequest from None
        await proceed(message, context)
