"""Log probabilities: what the upstream receives, and what the caller gets in either dialect."""

import json
import math
from typing import Any

import pytest

from support.quirks import DONE, STOP, Got, Player, choice, finish, player, response
from support.response_events import completed, responses_player, text
from tokenwire.api.chatgpt.service import MAX_ANSWER_BYTES
from tokenwire.v1 import chatgpt_pb2 as pb


def asks(top: int) -> pb.Message:
    """Return a request for this many tokens in each place."""
    return pb.Message(content="hello", params=pb.Params(top_logprobs=top))


def token(text: str, logprob: object, *top: dict[str, Any]) -> dict[str, Any]:
    """Return a token as upstreams send it."""
    return {
        "token": text,
        "logprob": logprob,
        "bytes": list(text.encode()),
        "top_logprobs": list(top),
    }


HELLO = [token("Hel", -0.5, token("Hel", -0.5), token("Hol", -1.5)), token("lo", 0)]
EXPECTED = [
    pb.TokenLogprob(
        token="Hel",
        logprob=-0.5,
        raw=b"Hel",
        top=[
            pb.TopLogprob(token="Hel", logprob=-0.5, raw=b"Hel"),
            pb.TopLogprob(token="Hol", logprob=-1.5, raw=b"Hol"),
        ],
    ),
    pb.TokenLogprob(token="lo", logprob=0, raw=b"lo"),
]


def chunk(text: str, logprobs: object) -> bytes:
    """Return a chunk of chat completions with these log probabilities."""
    return choice(delta={"content": text}, logprobs=logprobs)


CHAT = [
    chunk("Hel", {"content": HELLO[:1]}) + chunk("lo", {"content": HELLO[1:], "refusal": None}),
    choice(delta={}, logprobs=None, finish_reason="stop"),
    DONE,
]
RESPONSES = [text("Hel", logprobs=HELLO[:1]) + text("lo", logprobs=HELLO[1:]), completed()]


def got(upstream: Player) -> list[pb.TokenLogprob]:
    """Return the log probabilities of the latest call."""
    return [each for answer in upstream.answers for each in answer.logprobs]


async def test_chat_completions() -> None:
    """Each token is in the Answer with its text, and the request has OpenAI's fields."""
    async with player() as upstream:
        assert await upstream.play(response(*CHAT), asks(2)) == Got("Hello")
        assert got(upstream) == EXPECTED
        assert [answer.content for answer in upstream.answers] == ["Hel", "lo", ""]
        body = json.loads(upstream.upstream.body)
        assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


async def test_responses() -> None:
    """In the responses dialect `include` asks for them."""
    async with responses_player() as upstream:
        assert await upstream.play(response(*RESPONSES), asks(2)) == Got("Hello")
        assert got(upstream) == EXPECTED
        body = json.loads(upstream.upstream.body)
        assert body["include"] == ["message.output_text.logprobs"]
        assert body["top_logprobs"] == 2
        assert "logprobs" not in body


async def test_only_where_asked_for() -> None:
    """A request that does not ask gets none, and its Answers are merged."""
    async with player() as upstream:
        assert await upstream.play(response(*CHAT)) == Got("Hello")
        assert got(upstream) == []
        assert [answer.content for answer in upstream.answers] == ["Hello", ""]
        assert "logprobs" not in json.loads(upstream.upstream.body)


async def test_zero_asks_for_the_chosen_tokens_alone() -> None:
    """With 0 alternatives the upstream is asked for the log probabilities alone."""
    async with player() as upstream:
        await upstream.play(response(*CHAT), asks(0))
        body = json.loads(upstream.upstream.body)
        assert body["logprobs"] is True
        assert "top_logprobs" not in body


THOUGHT = {"content": [token("Hm.", -1)]}
CALLS = [{"index": 0, "id": "a", "function": {"name": "get", "arguments": "{}"}}]
NO_TEXT: list[dict[str, Any]] = [
    {"role": "assistant", "content": None},
    {"reasoning_content": "Hm."},
    {"reasoning": "Hm.", "content": ""},
    {"tool_calls": CALLS},
    {"tool_calls": CALLS, "content": ""},
]


async def test_only_of_tokens_of_the_text(subtests: pytest.Subtests) -> None:
    """Those of reasoning and tool calls, which llama.cpp sends too, are not passed on."""
    async with player() as upstream:
        for delta in NO_TEXT:
            with subtests.test(delta=delta):
                thought = choice(delta=delta, logprobs=THOUGHT)
                await upstream.play(response(thought, *CHAT), asks(2))
                assert got(upstream) == EXPECTED


async def test_of_a_part_of_a_character() -> None:
    """A token that does not complete a character comes with empty text, and is passed on."""
    async with player() as upstream:
        part = {"content": [{"token": "", "logprob": -1, "bytes": [0xC3]}]}
        first = choice(delta={"content": "", "tool_calls": None}, logprobs=part)
        await upstream.play(response(first, *CHAT), asks(2))
        assert got(upstream) == [pb.TokenLogprob(logprob=-1, raw=b"\xc3"), *EXPECTED]


ODD: list[object] = [
    None,
    7,
    [],
    {},
    {"content": None},
    {"content": "x"},
    {"content": [7, None, {}, {"token": "x"}, {"logprob": 1}, {"token": 1, "logprob": 1}]},
]


async def test_what_makes_no_sense(subtests: pytest.Subtests) -> None:
    """What is no log probability is ignored, and the text is passed on."""
    async with player() as upstream:
        for odd in ODD:
            with subtests.test(odd=odd):
                pieces = response(chunk("x", odd), finish("stop"), DONE)
                assert await upstream.play(pieces, asks(1)) == Got("x")
                assert got(upstream) == []
        bare = {"content": [{"token": "x", "logprob": -1, "bytes": [999], "top_logprobs": 7}]}
        await upstream.play(response(chunk("x", bare), STOP), asks(1))
        assert got(upstream) == [pb.TokenLogprob(token="x", logprob=-1)]


async def test_ask_has_them_all() -> None:
    """`Ask` returns all of them, and they count towards the size of its Answer."""
    async with player() as upstream:
        upstream.upstream.pieces = response(*CHAT)
        answer = await upstream.stub.Ask(asks(2))
        assert list(answer.logprobs) == EXPECTED
        top = [token("x" * 1_000, -1)] * 20
        many = {"content": [token("x", -1, *top)] * 20}
        count = math.ceil(MAX_ANSWER_BYTES / (20 * 20 * 1_000))
        upstream.upstream.pieces = response(*[chunk("x", many)] * count, STOP)
        with pytest.raises(Exception, match="INTERNAL"):
            await upstream.stub.Ask(asks(20))
