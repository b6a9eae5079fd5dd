"""The record of one call, which the server updates as the call proceeds."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tokenwire.core.attempts import Attempts
from tokenwire.core.call_deadline import CallDeadline
from tokenwire.core.caller import Caller
from tokenwire.core.domain import Completion, Delta, Stage, ToolCall, Usage
from tokenwire.core.method import Method
from tokenwire.core.prices import Price
from tokenwire.core.write_turn import WriteTurn


@dataclass(slots=True)
class CallRecord:
    """The state of one call.

    Times are `time.monotonic` values in seconds; 0 means that the event has not happened.

    Attributes:
        request_id: The caller's `x-request-id`, or a generated one.
        method: The method that was called.
        peer: The caller's address.
        deadline: Ends the call when a time limit passes.
        callers_deadline: The caller's own deadline, in seconds on the event loop's clock.
        attempts: The upstream requests of the call.
        turn: The turn to write the next message of a stream; None if messages never wait.
        labels: The caller's labels, for the log line.
        caller: The caller, if the gateway file has callers.
        field_name: Returns the contract's name of a field of this request, as `field_name` of the
            endpoint does; None if that one is as good.
        model: The requested model; empty until the request is parsed.
        price: The price of the model's tokens; None if unknown.
        started: When the server began to handle the call.
        accept_wait: Seconds that the call waited in gRPC before `started`.
        queued: Seconds that the call waited for a slot; 0 if a slot was free.
        first_token: When the first text arrived from the upstream.
        last_token: When the latest text arrived from the upstream.
        tokens: The number of upstream events with text so far.
        answers_sent: The number of Answers passed to gRPC. gRPC may not have sent the last one.
        first_write: The write of the first Answer. It continues even if the call ends, because
            gRPC sends the headers with it and sends no status before the headers.
        last_write: The write of the last Answer of a complete answer. It continues even if the
            call ends, because a slow caller alone must not make the call fail.
        texts: The text received so far if spans record content; otherwise None.
        reasonings: The reasoning shown to the caller so far if spans record content.
        tool_calls: The tool calls so far if spans record content.
        tool_call_count: The number of tool calls that have begun.
        completion: The end of a complete answer.
        stage: The latest stage that was reported to the caller.
        input_estimate: The tokens of the prompt, estimated from its size.
        usage_so_far: Returns what the upstream has reported of the usage before the end.
        counted: The usage of a call that asks for something else than an answer.
        prompt_tokens: The result of a call that counts the tokens of a prompt.
        prompt_estimated: Whether that result is an estimate.
        response_model: The model that such a call was answered by, as the upstream names it.
        status: The name of the gRPC status code; empty until the call has ended.
        reason: The failure's reason, or the status code where there is no reason.
        limit: The limit of the caller that ended the call, such as `tokens/m`; empty for none.
        ended: When the call ended.
        trace_id: The trace id in hexadecimal; empty if the span is not recorded.
    """

    request_id: str
    method: Method
    peer: str
    deadline: CallDeadline
    callers_deadline: float = math.inf
    attempts: Attempts = field(default_factory=Attempts)
    turn: WriteTurn | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    caller: Caller | None = None
    field_name: Callable[[str], str] | None = None
    model: str = ""
    price: Price | None = None
    started: float = field(default_factory=time.monotonic)
    accept_wait: float = 0.0
    queued: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    tokens: int = 0
    answers_sent: int = 0
    first_write: asyncio.Future[None] | None = None
    last_write: asyncio.Future[None] | None = None
    texts: list[str] | None = None
    reasonings: list[str] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_count: int = 0
    completion: Completion | None = None
    stage: Stage | None = None
    input_estimate: int = 0
    usage_so_far: Callable[[], Usage | None] | None = None
    counted: Usage | None = None
    prompt_tokens: int | None = None
    prompt_estimated: bool = False
    response_model: str = ""
    status: str = ""
    reason: str = ""
    limit: str = ""
    ended: float = 0.0
    trace_id: str = ""

    @property
    def usage(self) -> Usage | None:
        """The usage that the upstream reported; None before the end and if it reported none."""
        return self.completion.usage if self.completion else self.counted

    @property
    def usage_reported(self) -> Usage | None:
        """The usage that the upstream has reported so far, also before the end; None if none."""
        return self.usage_so_far() if self.usage_so_far else None

    @property
    def used(self) -> Usage:
        """The usage that the upstream reported, or else the tokens that have arrived."""
        return self.usage or Usage(input_tokens=0, output_tokens=self.tokens)

    def add_delta(self, delta: Delta) -> None:
        """Record a part of the answer that has arrived from the upstream."""
        if delta.tool_calls:
            begun = 1 + max(call.index for call in delta.tool_calls)
            self.tool_call_count = max(self.tool_call_count, begun)
        if not delta.tokens:
            return
        now = time.monotonic()
        if not self.first_token:
            self.first_token = now
        self.last_token = now
        self.tokens += delta.tokens
        if self.texts is not None:
            self.texts.append(delta.text)
            self.reasonings.append(delta.reasoning)
            self.tool_calls += delta.tool_calls
