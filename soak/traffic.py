"""Callers of every kind, drawn at random: good, bad, hurried, slow and gone."""

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

from soak.failure_table import IMPATIENCE, Ending
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import SCENARIOS

METHOD: Final = "/openai.Chatgpt/Send"
CANARY: Final = "canary"
"""Stands in every prompt and in what the upstream says of its own; may come out nowhere."""

Manner: TypeAlias = Literal[
    "patient", "cancels", "vanishes", "pauses", "stops reading", "hurries", "sends no message"
]
Channel: TypeAlias = "grpc.aio.Channel"
Call: TypeAlias = (
    "grpc.aio.UnaryStreamCall[bytes, pb.Answer] | grpc.aio.StreamStreamCall[bytes, pb.Answer]"
)

PLANS: Final[dict[str, frozenset[int]]] = {
    **{
        f"scenario {scenario.name}": frozenset(scenario.rows or {19})
        for scenario in SCENARIOS.values()
        # It takes the whole patience of a service under test and shows nothing new.
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
"""What the upstream does, and the rows of the table that it plays."""

ORDINARY: Final = ("answer", "pace 0.01 300; answer", "pace 0 500; filler 100; answer")
FLOOD: Final = f"filler 3000 word={'x' * 500}; answer"
"""More than the buffers between here and the upstream hold, so that a pause is felt."""

KEPT: Final = 20
"""Characters: more than a word that tells one prompt from the others has."""

PAUSE_SECONDS: Final = 2.0
STOP_SECONDS: Final = 5.0
"""Longer than a server under test lets a write, and then a status, wait for its caller."""
MANNERS: Final[dict[Manner, int]] = {
    "patient": 12,
    "cancels": 4,
    "vanishes": 1,
    "pauses": 1,
    "stops reading": 1,
    "hurries": 3,
    "sends no message": 1,
}
"""How often each manner is drawn, relative to the others."""
WITH_THEIR_OWN_REQUEST: Final = ("pauses", "stops reading", "sends no message")


@dataclass(frozen=True)
class Errand:
    """One call to make.

    Attributes:
        what: Describes it, for reports.
        request: What is sent.
        rows: Rows of the table by which it may end.
        manner: How its caller behaves.
        seconds: When a caller who cancels or vanishes does so, from the call's begin;
            the deadline of one who hurries.
        answers: After how many answers a caller leaves or pauses.
        word: Stands in the prompt, and so in its answer, and in no other prompt.
        ends_request: Whether a caller who sends no message ends its request all the same.
    """

    what: str
    request: bytes
    rows: frozenset[int]
    manner: Manner = "patient"
    seconds: float | None = None
    answers: int | None = None
    word: str = ""
    ends_request: bool = False


_numbers = itertools.count()
_WORD: Final = re.compile(r"word-\d+-|stray")


def draw(rng: random.Random) -> Errand:
    """Return any errand."""
    kind = rng.random()
    if kind < 0.12:  # noqa: PLR2004 - one in eight sends what must be refused
        return _in_some_manner(rng, _bad_request(rng))
    if kind < 0.4:  # noqa: PLR2004 - a quarter is ordinary
        return _in_some_manner(rng, _ask(rng.choice(ORDINARY), frozenset({19})))
    plan = rng.choice(tuple(PLANS))
    return _in_some_manner(rng, _ask(plan, PLANS[plan]))


def ordinary() -> Errand:
    """Return an errand that ends well."""
    return _ask("answer", frozenset({19}))


def _ask(plan: str, rows: frozenset[int]) -> Errand:
    """Return an errand whose prompt the demo model repeats, with a word that no other has."""
    word = f"word-{next(_numbers)}-"
    content = f"{CANARY}-prompt {word} [[demo: {plan}]]"
    message = pb.Message(content=content, system=f"{CANARY}-system")
    return Errand(plan, message.SerializeToString(), rows | IMPATIENCE, word=word)


def _bad_request(rng: random.Random) -> Errand:
    content = f"{CANARY}-prompt"
    what, request, row = rng.choice(
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
            ("oversize", b"\x12" + bytes(5_000_000), 39),
        )
    )
    # Noise may happen to be a message of unknown fields, without content.
    rows = {row, 37} if what == "noise" else {row}
    return Errand(what, request, frozenset(rows))


def _in_some_manner(rng: random.Random, errand: Errand) -> Errand:
    [manner] = rng.choices(tuple(MANNERS), tuple(MANNERS.values()))
    if manner in WITH_THEIR_OWN_REQUEST:
        return _with_own_request(rng, manner)
    errand = replace(errand, manner=manner)
    if manner == "patient":
        return errand
    if manner == "hurries":
        return replace(errand, rows=errand.rows | {32}, seconds=rng.choice((0.001, 0.02, 0.2)))
    rows = errand.rows | {31, 33}
    if rng.random() < 0.5:  # noqa: PLR2004 - a coin
        return replace(errand, rows=rows, answers=rng.randrange(1, 4))
    return replace(errand, rows=rows, seconds=rng.choice((0.0, rng.uniform(0, 0.1))))


def _with_own_request(rng: random.Random, manner: Manner) -> Errand:
    if manner == "sends no message":
        ends = rng.random() < 0.5  # noqa: PLR2004 - a coin
        rows = frozenset({46 if ends else 47})
        return Errand("no message", b"", rows, manner, ends_request=ends)
    if manner == "stops reading":
        return replace(_ask(FLOOD, frozenset({34, 52})), manner=manner, answers=1)
    flood = _ask(FLOOD, frozenset({19, 34}))
    return replace(flood, manner=manner, answers=rng.randrange(1, 4))


async def run(errand: Errand, address: str, shared: Channel) -> Ending:
    """Make the call and tell how it ended.

    Args:
        errand: What to do.
        address: The server's, for callers who vanish with their connection.
        shared: The connection of all others.
    """
    async with _channel_of(errand, address, shared) as channel:
        call = await _begin(errand, channel)
        leaving = asyncio.create_task(_leave(errand, channel, call))
        try:
            ending = await _read(errand, channel, call)
            return replace(ending, blocked=errand.manner in {"pauses", "stops reading"})
        finally:
            leaving.cancel()
            await asyncio.wait((leaving,))


async def _begin(errand: Errand, channel: Channel) -> Call:
    if errand.manner == "sends no message":
        begin: grpc.aio.StreamStreamMultiCallable[bytes, pb.Answer] = channel.stream_stream(
            METHOD, response_deserializer=pb.Answer.FromString
        )
        silent = begin()
        if errand.ends_request:
            await silent.done_writing()
        return silent
    send: grpc.aio.UnaryStreamMultiCallable[bytes, pb.Answer] = channel.unary_stream(
        METHOD, response_deserializer=pb.Answer.FromString
    )
    return send(errand.request, timeout=errand.seconds if errand.manner == "hurries" else None)


@asynccontextmanager
async def _channel_of(errand: Errand, address: str, shared: Channel) -> AsyncIterator[Channel]:
    if errand.manner not in {"vanishes", "stops reading"}:
        yield shared
        return
    options = (
        # Channels to the same address would otherwise share one connection.
        ("grpc.use_local_subchannel_pool", 1),
        # Otherwise gRPC takes ever more from the server for whoever does not read.
        ("grpc.http2.bdp_probe", 0),
    )
    async with grpc.aio.insecure_channel(address, options=options) as own:
        yield own


async def _leave(errand: Errand, channel: Channel, call: Call) -> None:
    if errand.manner in ("cancels", "vanishes") and errand.seconds is not None:
        await asyncio.sleep(errand.seconds)
        await _end(errand, channel, call)


async def _end(errand: Errand, channel: Channel, call: Call) -> None:
    if errand.manner == "vanishes":
        await channel.close()
    else:
        call.cancel()


async def _read(errand: Errand, channel: Channel, call: Call) -> Ending:
    count = texts = 0
    last = None
    text = ""
    foreign = False
    try:
        async for answer in call:
            last = answer
            count += 1
            texts += bool(answer.content)
            # Words may be cut between Answers; what is kept holds the longest.
            text = text[-KEPT:] + answer.content
            foreign |= any(word != errand.word for word in _WORD.findall(text))
            if count == errand.answers:
                if errand.manner == "pauses":
                    await asyncio.sleep(PAUSE_SECONDS)
                elif errand.manner == "stops reading":
                    await asyncio.sleep(STOP_SECONDS)
                else:
                    await _end(errand, channel, call)
    except grpc.aio.AioRpcError as error:
        shown = f"{error.details()} {error.trailing_metadata()} {error.initial_metadata()}"
        return Ending(error.code().name, _reason(error), texts, last, shown, foreign)
    except asyncio.CancelledError:
        # gRPC's word for a call that this side has ended, unless it is meant for this task.
        if (task := asyncio.current_task()) and task.cancelling():
            raise
        return Ending("CANCELLED", "", texts, last, foreign=foreign)
    return Ending("OK", "", texts, last, foreign=foreign)


def _reason(error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        # The client's own word; trailers with another may have come just too late.
        return ""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
