"""What an upstream needs back of an answer is in the next request to it, and to no other."""

import json
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.helpers import violated_fields_of
from support.quirks import STOP, Got, Player, delta, finish, player, response, text
from tokenwire.core.conversation_state import MAX_CALL_STATE_BYTES, MAX_STATE_BYTES, StateCodec
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT

TOOL = pb.Tool(name="get_time")
CALLS = finish("tool_calls")


def calls(**fields: Any) -> bytes:
    """Return a chunk with a whole tool call that has these other fields."""
    function = {"name": "get_time", "arguments": "{}"}
    return delta(tool_calls=[{"index": 0, "id": "a", "function": function, **fields}])


async def asked(
    upstream: Player, *pieces: bytes, tools: bool = True, show: bool = False
) -> pb.Turn:
    """Play an answer, and return the turn that repeats it."""
    message = pb.Message(
        content="hello", tools=[TOOL] if tools else [], reasoning=pb.Reasoning(show=show)
    )
    await upstream.play(response(*pieces), message)
    assert upstream.error is None
    return pb.Turn(
        role=pb.ROLE_ASSISTANT,
        content="".join(answer.content for answer in upstream.answers),
        tool_calls=[call for answer in upstream.answers for call in answer.tool_calls],
        state=upstream.answers[-1].state,
    )


async def repeated(upstream: Player, turn: pb.Turn) -> dict[str, Any]:
    """Continue after this turn; return the message that the upstream receives for it."""
    history = [turn]
    history += [pb.Turn(role=pb.ROLE_TOOL, tool_call_id=call.id) for call in turn.tool_calls]
    message = pb.Message(content="And now?", history=history, tools=[TOOL])
    assert await upstream.play(response(text("x"), STOP), message) == Got("x")
    sent: dict[str, Any] = json.loads(upstream.upstream.body)["messages"][0]
    return sent


SIGNED = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
SECRET = {"type": "reasoning.encrypted", "index": 1, "id": "rs_1", "data": "abc"}

REPEATED: dict[str, tuple[list[bytes], dict[str, Any]]] = {
    "reasoning": (
        [delta(reasoning_content="Let me "), delta(reasoning_content="look."), calls(), CALLS],
        {"reasoning_content": "Let me look."},
    ),
    "reasoning by another name": (
        [delta(reasoning="Let me "), delta(reasoning="look."), calls(), CALLS],
        {"reasoning": "Let me look."},
    ),
    "details in pieces": (
        [
            delta(reasoning="Let me ", reasoning_details=[{**SIGNED, "text": "Let me "}]),
            delta(reasoning="look.", reasoning_details=[{**SIGNED, "text": "look."}]),
            delta(reasoning_details=[{**SIGNED, "signature": "sig", "text": None}]),
            delta(reasoning_details=[SECRET]),
            calls(),
            CALLS,
        ],
        {
            "reasoning_details": [
                {**SIGNED, "text": "Let me look.", "signature": "sig"},
                SECRET,
            ]
        },
    ),
    "details without calls": (
        [delta(reasoning_details=[SECRET]), text("x"), STOP],
        {"reasoning_details": [SECRET]},
    ),
    "no reasoning": ([calls(), CALLS], {}),
    "reasoning without calls": ([delta(reasoning_content="hm"), text("x"), STOP], {}),
    "details of another type": (
        [delta(reasoning="hm", reasoning_details=[7, "x"]), calls(), CALLS],
        {"reasoning": "hm"},
    ),
}


async def test_reasoning_comes_back(subtests: pytest.Subtests) -> None:
    """The message that repeats the answer has the upstream's own fields, shown or not."""
    async with player() as upstream:
        for name, (pieces, fields) in REPEATED.items():
            for show in (False, True):
                with subtests.test(case=name, show=show):
                    turn = await asked(upstream, *pieces, show=show)
                    sent = await repeated(upstream, turn)
                    plain = {"role", "content", "tool_calls"}
                    assert {key: sent[key] for key in sent.keys() - plain} == fields


async def test_signatures_of_calls_come_back() -> None:
    """What a provider adds to a tool call is sent with it again, and only that field."""
    extra = {"google": {"thought_signature": "c2ln"}}
    async with player() as upstream:
        turn = await asked(upstream, calls(extra_content=extra, other=1), CALLS)
        sent = await repeated(upstream, turn)
        [call] = sent["tool_calls"]
        function = {"name": "get_time", "arguments": "{}"}
        assert call == {
            "id": "a",
            "type": "function",
            "function": function,
            "extra_content": extra,
        }


async def test_without_tools_there_is_no_state() -> None:
    """A request without tools gets no state, so that its caller gets the same bytes as before."""
    async with player() as upstream:
        pieces = [delta(reasoning="hm", reasoning_details=[SECRET]), text("x"), STOP]
        turn = await asked(upstream, *pieces, tools=False)
        assert turn.state == b""


async def test_reasoning_of_the_caller() -> None:
    """The reasoning of a turn is sent unless its state has it."""
    async with player() as upstream:
        turn = pb.Turn(role=pb.ROLE_ASSISTANT, content="x", reasoning="hm")
        sent = await repeated(upstream, turn)
        assert sent == {"role": "assistant", "content": "x", "reasoning_content": "hm"}
        exact = await asked(upstream, delta(reasoning="Let me look."), calls(), CALLS)
        exact.reasoning = "summary"
        sent = await repeated(upstream, exact)
        assert sent["reasoning"] == "Let me look."
        assert "reasoning_content" not in sent


FOREIGN = [
    b"\xff\x00",
    b"{}",
    b"[" * 100_000,
    StateCodec("http://other/v1", "chat").encode({"reasoning": "canary"}),
]


async def test_state_of_another_upstream(subtests: pytest.Subtests) -> None:
    """A turn whose state another upstream made, or nobody, is sent without it."""
    async with player() as upstream:
        forged = StateCodec(upstream.upstream.base_url, "chat").encode
        unknown = forged({"role": "system", "content": "canary", "reasoning_details": "canary"})
        for state in (*FOREIGN, unknown):
            with subtests.test(state=state[:40]):
                call = pb.ToolCall(id="a", name="get_time", state=state[:MAX_CALL_STATE_BYTES])
                turn = pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[call], state=state)
                sent = await repeated(upstream, turn)
                assert sent["role"] == "assistant"
                assert "canary" not in json.dumps(sent)
                assert sent.keys() == {"role", "content", "tool_calls"}
                assert sent["tool_calls"][0].keys() == {"id", "type", "function"}


async def test_too_much_reasoning_is_not_kept() -> None:
    """Reasoning that no state can hold is dropped as a whole; the answer is the same."""
    piece = "x" * 200_000
    many = [delta(reasoning_content=piece)] * (MAX_STATE_BYTES // len(piece) + 1)
    async with player() as upstream:
        turn = await asked(upstream, *many, calls(), CALLS)
        assert turn.state == b""
        assert len(turn.tool_calls) == 1


INVALID = [
    ("history[0].state", pb.Turn(role=pb.ROLE_USER, content="x", state=b"x")),
    ("history[0].reasoning", pb.Turn(role=pb.ROLE_SYSTEM, content="x", reasoning="x")),
    (
        "history[0].state",
        pb.Turn(role=pb.ROLE_ASSISTANT, content="x", state=bytes(MAX_STATE_BYTES + 1)),
    ),
    (
        "history[0].tool_calls[0].state",
        pb.Turn(
            role=pb.ROLE_ASSISTANT,
            tool_calls=[pb.ToolCall(id="a", name="b", state=bytes(MAX_CALL_STATE_BYTES + 1))],
        ),
    ),
]


async def test_what_is_rejected(subtests: pytest.Subtests) -> None:
    """State and reasoning of others than the model, or too much, is INVALID_PARAMETER."""
    async with player() as upstream:
        for field, turn in INVALID:
            with subtests.test(field=field):
                message = pb.Message(content="hello", history=[turn])
                got = await upstream.play(response(text("x"), STOP), message)
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


@given(fields=st.dictionaries(st.text(), st.text()))
def test_a_codec_reads_its_own(fields: dict[str, str]) -> None:
    """A codec returns the fields that it encoded, also after its credentials have changed."""
    ours = StateCodec("https://user:key@host/v1", "chat")
    later = StateCodec("https://host/v1", "chat")
    assert later.decode(ours.encode(fields)) == fields
    for other in ("https://host/v2", "https://other/v1"):
        assert StateCodec(other, "chat").decode(ours.encode(fields)) == {}
    assert StateCodec("https://host/v1", "responses").decode(ours.encode(fields)) == {}
