"""`CountTokens`: the number of tokens of a prompt."""

import time
from dataclasses import dataclass
from typing import Final

from tokenwire.api.chatgpt.catalog import Catalogs, check_allowed
from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.labels import to_labels
from tokenwire.api.chatgpt.wire import to_request
from tokenwire.api.endpoint import Endpoint, OnOperation
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import COUNT_TOKENS as OPERATION
from tokenwire.core.method import Method, MethodType
from tokenwire.core.token_counter import TokenCounter
from tokenwire.v1 import chatgpt_pb2 as pb

COUNT_TOKENS: Final = Method(
    pb.DESCRIPTOR.services_by_name["Chatgpt"].full_name,
    "CountTokens",
    MethodType.UNARY,
    OPERATION,
)


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Counts the tokens of messages.

    Attributes:
        counter: Counts the tokens.
        catalog: Returns what the server offers.
        limits: The limits on a request's fields.
        on_upstream_call: Called before each request to the upstream.
    """

    counter: TokenCounter
    catalog: Catalogs
    limits: FieldLimits
    on_upstream_call: OnOperation

    def endpoint(self) -> Endpoint:
        """Return the entry of the method table."""
        return Endpoint(
            COUNT_TOKENS,
            check=self.limits.check,
            parse=pb.Message.FromString,
            handle=self.count_tokens,
            serialize=pb.TokenCount.SerializeToString,
        )

    async def count_tokens(self, message: pb.Message, call: CallRecord) -> pb.TokenCount:
        """Return the number of tokens of a message's prompt.

        Raises:
            ServiceError: The request is invalid, or its tokens cannot be counted.
        """
        if message.labels:
            call.labels = to_labels(message.labels)
        request = to_request(message, self.catalog().defaults_of(call.caller))
        del message
        call.model = request.model
        check_allowed(call.caller, request.model, "params.model")
        if self.counter.asks_upstream:
            call.attempts.started = time.monotonic()
            self.on_upstream_call(request.model, call, {})
        count = await self.counter.count(request, call)
        call.prompt_tokens, call.prompt_estimated = count.input_tokens, count.estimated
        return pb.TokenCount(input_tokens=count.input_tokens, estimated=count.estimated)
