"""What the Answers of a server become in LangChain."""

import base64

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from support.chat_model import answers, chat_model, merged
from support.scripted_server import ScriptedServer
from tokenwire_client import Answer, Citation, FinishReason, Route, TokenLogprob, ToolCall, Usage

STOP = FinishReason.FINISH_REASON_STOP
CALLS = FinishReason.FINISH_REASON_TOOL_CALLS
USAGE = Usage(
    input_tokens=9,
    output_tokens=5,
    cached_input_tokens=4,
    cache_write_input_tokens=3,
    reasoning_tokens=2,
    audio_input_tokens=1,
    cost_nanodollars=1200,
)
END = Answer(
    finish_reason=STOP,
    usage=USAGE,
    model="m-1",
    id="answer-1",
    route=Route(upstream="a", attempts=2),
    citations=[Citation(url="https://example.com", title="A page", start=0, end=5)],
)


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def check_end(message: AIMessage) -> None:
    """Check what the last Answer says."""
    assert message.usage_metadata == {
        "input_tokens": 9,
        "output_tokens": 5,
        "total_tokens": 14,
        "input_token_details": {"cache_read": 4, "cache_creation": 3, "audio": 1},
        "output_token_details": {"reasoning": 2, "audio": 0},
    }
    expected = {
        "model_provider": "tokenwire",
        "model_name": "m-1",
        "finish_reason": "stop",
        "id": "answer-1",
        "route": {"upstream": "a", "attempts": 2},
        "cost_nanodollars": 1200,
        "citations": [{"url": "https://example.com", "title": "A page", "start": 0, "end": 5}],
    }
    assert message.response_metadata.items() >= expected.items()


async def test_a_whole_answer() -> None:
    """`ainvoke` returns text, reasoning, usage and where the answer came from."""
    script = answers(Answer(reasoning="Hm."), Answer(content="blue"), END)
    async with ScriptedServer(script) as server, chat_model(server.address) as model:
        message = await model.ainvoke("Why?")
    assert message.text == "blue"
    assert message.content_blocks == [
        {"type": "reasoning", "reasoning": "Hm."},
        {"type": "text", "text": "blue"},
    ]
    check_end(message)


@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_a_streamed_answer(version: str) -> None:
    """`astream` yields each piece when it arrives, and their sum is the whole answer."""
    script = answers(Answer(reasoning="H"), Answer(reasoning="m."), Answer(content="blue"), END)
    async with (
        ScriptedServer(script) as server,
        chat_model(server.address, output_version=version) as model,
    ):
        chunks = [chunk async for chunk in model.astream("Why?")]
    assert [chunk.text for chunk in chunks] == ["", "", "blue", ""]
    assert [chunk.chunk_position for chunk in chunks] == [None, None, None, "last"]
    whole = merged(chunks)
    kinds = [block["type"] for block in whole.content_blocks]
    assert kinds == ["reasoning", "text"]
    assert whole.content_blocks[0].get("reasoning") == "Hm."
    check_end(whole)


def pieces() -> list[Answer]:
    """Return an answer with text and two tool calls in pieces, between which reasoning comes."""
    return [
        Answer(reasoning="Hm."),
        Answer(content="Let me see."),
        Answer(tool_calls=[ToolCall(id="a", name="get_weather", index=0, state=b"s")]),
        Answer(tool_calls=[ToolCall(arguments='{"city": ', index=0)]),
        Answer(reasoning="Both."),
        Answer(tool_calls=[ToolCall(arguments='"Oslo"}', index=0)]),
        Answer(tool_calls=[ToolCall(id="b", name="get_time", arguments="{}", index=1)]),
        Answer(finish_reason=CALLS, model="m", id="x", state=b"whole"),
    ]


def check_calls(message: AIMessage) -> None:
    assert message.tool_calls == [
        {"name": "get_weather", "args": {"city": "Oslo"}, "id": "a", "type": "tool_call"},
        {"name": "get_time", "args": {}, "id": "b", "type": "tool_call"},
    ]
    assert message.additional_kwargs["tokenwire_state"] == encoded(b"whole")
    assert message.additional_kwargs["tokenwire_call_states"] == {"a": encoded(b"s")}


@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_streamed_tool_calls(version: str) -> None:
    """Tool calls arrive as chunks, and do not mix with the texts and reasoning around them."""
    async with (
        ScriptedServer(answers(*pieces())) as server,
        chat_model(server.address, output_version=version) as model,
    ):
        chunks = [chunk async for chunk in model.astream("The weather?")]
        assert server.requests[0].stream_tool_calls
    fragments = [part["args"] for chunk in chunks for part in chunk.tool_call_chunks]
    assert fragments == ["", '{"city": ', '"Oslo"}', "{}"]
    whole = merged(chunks)
    check_calls(whole)
    assert whole.text == "Let me see."
    kinds = {block["type"] for block in whole.content_blocks}
    assert kinds == {"reasoning", "text", "tool_call"}
    assert whole.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("version", ["v0", "v1"])
async def test_the_state_comes_back(version: str) -> None:
    """The next turn returns the state of a streamed answer and of its calls, and its reasoning."""
    async with (
        ScriptedServer(answers(*pieces())) as server,
        chat_model(server.address, output_version=version) as model,
    ):
        answer = merged([chunk async for chunk in model.astream("The weather?")])
        results = [ToolMessage("rain", tool_call_id=id_) for id_ in ("a", "b")]
        # As LangGraph's checkpoints keep it.
        kept = AIMessageChunk.model_validate_json(answer.model_dump_json())
        await model.ainvoke([HumanMessage("The weather?"), kept, *results])
        turn = server.requests[1].history[1]
    assert turn.state == b"whole"
    assert [(call.id, call.arguments, call.state) for call in turn.tool_calls] == [
        ("a", '{"city": "Oslo"}', b"s"),
        ("b", "{}", b""),
    ]
    assert (turn.content, turn.reasoning) == ("Let me see.", "Hm.Both.")


async def test_log_probabilities() -> None:
    """Log probabilities are in the response metadata, as ChatOpenAI has them."""
    tokens = [TokenLogprob(token=text, logprob=-0.5, raw=text.encode()) for text in ("bl", "ue")]
    script = answers(
        Answer(content="bl", logprobs=tokens[:1]), Answer(content="ue", logprobs=tokens[1:]), END
    )
    async with (
        ScriptedServer(script) as server,
        chat_model(server.address, top_logprobs=0) as model,
    ):
        message = merged([chunk async for chunk in model.astream("Why?")])
        assert server.requests[0].params.HasField("top_logprobs")
    read = message.response_metadata["logprobs"]["content"]
    assert [(each["token"], each["logprob"], each["bytes"]) for each in read] == [
        ("bl", -0.5, [98, 108]),
        ("ue", -0.5, [117, 101]),
    ]


async def test_a_refusal_and_an_estimate() -> None:
    """A refusal and estimated usage are named in the response metadata."""
    usage = Usage(input_tokens=1, output_tokens=1, estimated=True)
    end = Answer(content="No.", finish_reason=STOP, model="m", refused=True, usage=usage)
    async with ScriptedServer(answers(end)) as server, chat_model(server.address) as model:
        message = await model.ainvoke("Why?")
    assert message.text == "No."
    assert message.response_metadata["refused"] is True
    assert message.response_metadata["usage_estimated"] is True
