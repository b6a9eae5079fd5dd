"""Random calls: valid and invalid requests, and callers that wait, cancel, disconnect or stall."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import grpc
from google.rpc import error_details_pb2, status_pb2

from soak.failure_table import TIMING_ROWS, CallResult
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import SCENARIOS

METHOD: Final = "/openai.Chatgpt/Send"
CANARY: Final = "canary"
"""Part of every prompt and of every upstream error text; must not appear in any log or status."""

Behaviour: TypeAlias = Literal[
    "waits",
    "cancels",
    "disconnects",
    "pauses",
    "stops reading",
    "sets a deadline",
    "sends no message",
]
Channel: TypeAlias = "grpc.aio.Channel"
Call: TypeAlias = (
    "grpc.aio.UnaryStreamCall[bytes, pb.Answer] | grpc.aio.StreamStreamCall[bytes, pb.Answer]"
)

PLANS: Final[dict[str, frozenset[int]]] = {
    **{
        f"scenario {scenario.name}": frozenset(scenario.rows or {19})
        for scenario in SCENARIOS.values()
        # Takes as long as the timeouts of the server under test, and covers no further row.
        if scenario.name != "slow"
    },
    "scenario not-http": frozenset({1}),
    f"status 400 message={CANARY}": frozenset({10}),
    f"status 502 body=html message={CANARY}": frozenset({16}),
    f"status 429 message={CANARY} retry-after=0": frozenset({14}),
    f"tokens 2; error message={CANARY}": frozenset({21}),
    f"tokens 2; data {CANARY}; answer": frozenset({20}),
    f"headers content-encoding={CANARY}; answer": frozenset({20}),
    "headers; reset": frozenset({17}),
    "tokens 5; wait 0.02; answer": frozenset({19}),
    "filler 400": frozenset({18}),
    "filler 400; answer": frozenset({19}),
}
"""The plans of the demo upstream, with the rows of the failure table that each may cause."""

SUCCESSFUL_PLANS: Final = ("answer", "pace 0.01 300; answer", "pace 0 500; filler 100; answer")
FLOOD: Final = f"filler 3000 word={'x' * 500}; answer"
"""An answer larger than all buffers on the way, so that a pausing reader causes backpressure."""

OVERLAP_CHARACTERS: Final = 20
"""The characters kept of earlier text; longer than the word that identifies a prompt."""

PAUSE_SECONDS: Final = 2.0
STOP_SECONDS: Final = 5.0
"""Longer than the server under test waits for a write and then for the status to be read."""
BEHAVIOUR_WEIGHTS: Final[dict[Behaviour, int]] = {
    "waits": 12,
    "cancels": 4,
    "disconnects": 1,
    "pauses": 1,
    "stops reading": 1,
    "sets a deadline": 3,
    "sends no message": 1,
}
"""The relative frequencies of the behaviours."""
WITH_OWN_REQUEST: Final = ("pauses", "stops reading", "sends no message")
"""The behaviours that need a request of their own."""


@dataclass(frozen=True)
class PlannedCall:
    """A call to make.

    Attributes:
        description: Describes the call in reports.
        request: The bytes of the request message.
        rows: The rows of the failure table with which the call may end.
        behaviour: How the caller behaves.
        seconds: When the caller cancels or disconnects, in seconds after the start; or the
            deadline of the call.
        answers: The number of Answers after which the caller leaves, pauses or stops reading.
        word: A word in the prompt, and therefore in the answer, that no other prompt has.
        ends_request: Whether a caller that sends no message half-closes the stream.
    """

    description: str
    request: bytes
    rows: frozenset[int]
    behaviour: Behaviour = "waits"
    seconds: float | None = None
    answers: int | None = None
    word: str = ""
    ends_request: bool = False


_numbers = itertools.count()
_WORD: Final = re.compile(r"word-\d+-|stray")


def random_call(rng: random.Random) -> PlannedCall:
    """Return a random call."""
    kind = rng.random()
    if kind < 0.12:  # noqa: PLR2004 - an eighth of the calls have an invalid request
        return _with_behaviour(rng, _invalid_request(rng))
    if kind < 0.4:  # noqa: PLR2004 - about a quarter of the calls succeed
        return _with_behaviour(rng, _prompt(rng.choice(SUCCESSFUL_PLANS), frozenset({19})))
    plan = rng.choice(tuple(PLANS))
    return _with_behaviour(rng, _prompt(plan, PLANS[plan]))


def successful_call() -> PlannedCall:
    """Return a call that succeeds."""
    return _prompt("answer", frozenset({19}))


def _prompt(plan: str, rows: frozenset[int]) -> PlannedCall:
    """Return a call whose answer repeats its prompt, with a word that no other prompt has."""
    word = f"word-{next(_numbers)}-"
    content = f"{CANARY}-prompt {word} [[demo: {plan}]]"
    message = pb.Message(content=content, system=f"{CANARY}-system")
    return PlannedCall(plan, message.SerializeToString(), rows | TIMING_ROWS, word=word)


def _invalid_request(rng: random.Random) -> PlannedCall:
    content = f"{CANARY}-prompt"
    description, request, row = rng.choice(
        (
            ("noise", rng.randbytes(40) + b"\xff", 36),
            ("invalid UTF-8", b"\x12\x02\xc3\x28", 36),
            ("blank", pb.Message(content=" \n").SerializeToString(), 37),
            (
                "temperature",
                pb.Message(content=content, params=pb.Params(temperature=9)).SerializeToString(),
                38,
            ),
            (
                "unknown model",
                pb.Message(content=content, params=pb.Params(model=CANARY)).SerializeToString(),
                38,
            ),
            ("too much text", pb.Message(content="x" * 5_000_000).SerializeToString(), 38),
        )
    )
    # Random bytes may be a valid message with unknown fields only, which has an empty prompt.
    rows = {row, 37} if description == "noise" else {row}
    return PlannedCall(description, request, frozenset(rows))


def _with_behaviour(rng: random.Random, planned: PlannedCall) -> PlannedCall:
    [behaviour] = rng.choices(tuple(BEHAVIOUR_WEIGHTS), tuple(BEHAVIOUR_WEIGHTS.values()))
    if behaviour in WITH_OWN_REQUEST:
        return _with_own_request(rng, behaviour)
    planned = replace(planned, behaviour=behaviour)
    if behaviour == "waits":
        return planned
    if behaviour == "sets a deadline":
        return replace(planned, rows=planned.rows | {32}, seconds=rng.choice((0.001, 0.02, 0.2)))
    rows = planned.rows | {31, 33}
    if rng.random() < 0.5:  # noqa: PLR2004 - even odds
        return replace(planned, rows=rows, answers=rng.randrange(1, 4))
    return replace(planned, rows=rows, seconds=rng.choice((0.0, rng.uniform(0, 0.1))))


def _with_own_request(rng: random.Random, behaviour: Behaviour) -> PlannedCall:
    if behaviour == "sends no message":
        ends = rng.random() < 0.5  # noqa: PLR2004 - even odds
        rows = frozenset({46 if ends else 47})
        return PlannedCall("no message", b"", rows, behaviour, ends_request=ends)
    if behaviour == "stops reading":
        return replace(_prompt(FLOOD, frozenset({34, 52})), behaviour=behaviour, answers=1)
    flood = _prompt(FLOOD, frozenset({19, 34}))
    return replace(flood, behaviour=behaviour, answers=rng.randrange(1, 4))


async def run(planned: PlannedCall, address: str, shared: Channel) -> CallResult:
    """Make the call and return its result.

    Args:
        planned: The call to make.
        address: HOST:PORT of the server, for callers that need a connection of their own.
        shared: The channel of all other callers.
    """
    async with _channel_of(planned, address, shared) as channel:
        call = await _start(planned, channel)
        leaving = asyncio.create_task(_leave(planned, channel, call))
        try:
            result = await _read(planned, channel, call)
            return replace(result, blocked=planned.behaviour in {"pauses", "stops reading"})
        finally:
            leaving.cancel()
            await asyncio.wait((leaving,))


async def _start(planned: PlannedCall, channel: Channel) -> Call:
    if planned.behaviour == "sends no message":
        open_stream: grpc.aio.StreamStreamMultiCallable[bytes, pb.Answer] = channel.stream_stream(
            METHOD, response_deserializer=pb.Answer.FromString
        )
        silent = open_stream()
        if planned.ends_request:
            await silent.done_writing()
        return silent
    send: grpc.aio.UnaryStreamMultiCallable[bytes, pb.Answer] = channel.unary_stream(
        METHOD, response_deserializer=pb.Answer.FromString
    )
    has_deadline = planned.behaviour == "sets a deadline"
    return send(planned.request, timeout=planned.seconds if has_deadline else None)


@asynccontextmanager
async def _channel_of(
    planned: PlannedCall, address: str, shared: Channel
) -> AsyncIterator[Channel]:
    if planned.behaviour not in {"disconnects", "stops reading"}:
        yield shared
        return
    options = (
        # Channels to the same address would otherwise share one connection.
        ("grpc.use_local_subchannel_pool", 1),
        # Otherwise gRPC enlarges the flow-control window while the caller does not read.
        ("grpc.http2.bdp_probe", 0),
    )
    async with grpc.aio.insecure_channel(address, options=options) as own:
        yield own


async def _leave(planned: PlannedCall, channel: Channel, call: Call) -> None:
    if planned.behaviour in ("cancels", "disconnects") and planned.seconds is not None:
        await asyncio.sleep(planned.seconds)
        await _end(planned, channel, call)


async def _end(planned: PlannedCall, channel: Channel, call: Call) -> None:
    if planned.behaviour == "disconnects":
        await channel.close()
    else:
        call.cancel()


async def _read(planned: PlannedCall, channel: Channel, call: Call) -> CallResult:
    count = texts = 0
    last = None
    text = ""
    foreign = False
    try:
        async for answer in call:
            last = answer
            count += 1
            texts += bool(answer.content)
            # A word may be split between two Answers.
            text = text[-OVERLAP_CHARACTERS:] + answer.content
            foreign |= any(word != planned.word for word in _WORD.findall(text))
            if count == planned.answers:
                if planned.behaviour == "pauses":
                    await asyncio.sleep(PAUSE_SECONDS)
                elif planned.behaviour == "stops reading":
                    await asyncio.sleep(STOP_SECONDS)
                else:
                    await _end(planned, channel, call)
    except grpc.aio.AioRpcError as error:
        shown = f"{error.details()} {error.trailing_metadata()} {error.initial_metadata()}"
        return CallResult(error.code().name, _reason(error), texts, last, shown, foreign)
    except asyncio.CancelledError:
        # gRPC raises this when the client ends the call, but it may also be this task's own
        # cancellation.
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        return CallResult("CANCELLED", "", texts, last, foreign=foreign)
    return CallResult("OK", "", texts, last, foreign=foreign)


def _reason(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        # The client sets this status itself; trailers that arrived too late may differ.
        return ""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
