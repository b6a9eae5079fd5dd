"""tokenwire in front of llama.cpp's server, with a tiny model whose answers are known."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.app import Stub
from support.helpers import collect, next_of, text_of
from support.llama_server import GATEWAY_FILE, MODEL, SLOTS, LlamaServer
from support.tiny_model import ARGUMENTS, CALL, CONTEXT, END, TEXT, THOUGHT, TOOL
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
SCHEMA = json.dumps(PARAMETERS)
TOOLS = [pb.Tool(name=TOOL, parameters=SCHEMA)]
MUST_CALL = pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED)

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]
both_dialects = pytest.mark.parametrize("dialect", ["chat", "responses"])


async def endless(llama: LlamaServer, **params: Any) -> pb.Message:
    """Return a request whose answer ends only where a limit ends it."""
    forbidden = dict.fromkeys(await llama.tokens(END + CALL), -100.0)
    return pb.Message(content="Hello", params=pb.Params(logit_bias=forbidden, **params))


@both_dialects
async def test_an_answer_streams_with_usage(llama: LlamaServer, llama_stub: Stub) -> None:
    """The text arrives in pieces without the reasoning, and the usage is the server's count."""
    generated = await llama.output_tokens()

    *pieces, last = await collect(llama_stub.Send(pb.Message(content="Hello"), timeout=60))

    assert text_of(pieces) == TEXT
    assert len(pieces) > 1
    assert not any(piece.reasoning for piece in pieces)
    assert (last.finish_reason, last.model) == (pb.FINISH_REASON_STOP, MODEL)
    assert last.usage.input_tokens == await llama.input_tokens(HELLO)
    await llama.idle()
    assert last.usage.output_tokens == await llama.output_tokens() - generated
    assert not last.usage.estimated


@both_dialects
async def test_reasoning_arrives_where_it_is_asked_for(llama_stub: Stub) -> None:
    """The reasoning arrives before the text, and an effort of NONE turns it off."""
    shown = pb.Message(content="Hello", reasoning=pb.Reasoning(show=True))
    answers = await collect(llama_stub.Send(shown, timeout=60))
    assert "".join(answer.reasoning for answer in answers) == THOUGHT
    assert text_of(answers) == TEXT
    [first_text, *_] = [place for place, answer in enumerate(answers) if answer.content]
    assert not any(answer.reasoning for answer in answers[first_text + 1 :])

    silent = pb.Reasoning(show=True, effort=pb.EFFORT_NONE)
    answer = await llama_stub.Ask(pb.Message(content="Hello", reasoning=silent), timeout=60)
    assert (answer.content, answer.reasoning) == (TEXT, "")
    assert answer.usage.output_tokens < answers[-1].usage.output_tokens


@both_dialects
async def test_a_tool_call_and_its_result(llama: LlamaServer, llama_stub: Stub) -> None:
    """The model calls a tool, and the prompt with its result is the one that the server expects."""
    asks = pb.Message(content="Hello", tools=TOOLS, tool_choice=MUST_CALL)
    answer = await llama_stub.Ask(asks, timeout=60)
    assert answer.finish_reason == pb.FINISH_REASON_TOOL_CALLS
    [call, *_] = calls = list(answer.tool_calls)
    assert (call.name, json.loads(call.arguments)) == (TOOL, ARGUMENTS)

    history = [
        pb.Turn(role=pb.ROLE_USER, content="Hello"),
        pb.Turn(
            role=pb.ROLE_ASSISTANT, content=answer.content, tool_calls=calls, state=answer.state
        ),
        *(pb.Turn(role=pb.ROLE_TOOL, tool_call_id=each.id, content="3 degrees") for each in calls),
    ]
    answer = await llama_stub.Ask(pb.Message(history=history, tools=TOOLS), timeout=60)
    assert (answer.content, answer.finish_reason) == (TEXT, pb.FINISH_REASON_STOP)
    messages = [
        *HELLO,
        {
            "role": "assistant",
            "content": TEXT,
            "reasoning_content": THOUGHT,
            "tool_calls": [
                {
                    "type": "function",
                    "id": each.id,
                    "function": {"name": each.name, "arguments": each.arguments},
                }
                for each in calls
            ],
        },
        *({"role": "tool", "tool_call_id": each.id, "content": "3 degrees"} for each in calls),
    ]
    tools = [{"type": "function", "function": {"name": TOOL, "parameters": PARAMETERS}}]
    assert answer.usage.input_tokens == await llama.input_tokens(messages, tools=tools)


@both_dialects
async def test_a_tool_call_in_pieces(llama_stub: Stub) -> None:
    """The pieces of a call's arguments, joined, are the arguments."""
    asks = pb.Message(content="Hello", tools=TOOLS, tool_choice=MUST_CALL, stream_tool_calls=True)
    answers = await collect(llama_stub.Send(asks, timeout=60))
    pieces = [call for answer in answers for call in answer.tool_calls]
    first = [piece for piece in pieces if piece.index == 0]
    assert [piece.name for piece in first if piece.name] == [TOOL]
    assert len(first) > 1
    assert json.loads("".join(piece.arguments for piece in first)) == ARGUMENTS


async def test_structured_output(llama_stub: Stub) -> None:
    """With a schema the answer fits it; with `json` it is a JSON object."""
    schema = pb.Format(json_schema=pb.JsonSchema(name="place", schema=SCHEMA))
    answer = await llama_stub.Ask(pb.Message(content="Hello", format=schema), timeout=60)
    assert json.loads(answer.content) == ARGUMENTS
    answer = await llama_stub.Ask(
        pb.Message(content="Hello", format=pb.Format(json=True)), timeout=60
    )
    assert isinstance(json.loads(answer.content), dict)


async def test_a_bound_of_tokens(llama: LlamaServer, llama_stub: Stub) -> None:
    """`max_tokens` ends an endless answer with LENGTH, and the usage has exactly so many."""
    answer = await llama_stub.Ask(await endless(llama, max_tokens=100), timeout=60)
    assert answer.finish_reason == pb.FINISH_REASON_LENGTH
    assert answer.usage.output_tokens == 100
    assert answer.content.startswith(f"{TEXT}\n\n{TEXT}\n\n")


@pytest.mark.parametrize("dialect", ["responses"])
async def test_what_the_responses_api_lacks(llama_stub: Stub) -> None:
    """As docs/models.md warns, `format` is ignored, and a cut answer looks complete."""
    schema = pb.Format(json_schema=pb.JsonSchema(name="place", schema=SCHEMA))
    answer = await llama_stub.Ask(pb.Message(content="Hello", format=schema), timeout=60)
    assert answer.content == TEXT
    cut_off = pb.Message(content="Hello", params=pb.Params(max_tokens=8))
    answer = await llama_stub.Ask(cut_off, timeout=60)
    assert TEXT.startswith(answer.content)
    assert answer.content != TEXT
    assert answer.finish_reason == pb.FINISH_REASON_STOP


async def test_the_name_of_a_tool_is_no_demand(llama_stub: Stub) -> None:
    """As docs/models.md warns, the server does not make the model call the tool that is named."""
    asks = pb.Message(content="Hello", tools=TOOLS, tool_choice=pb.ToolChoice(name=TOOL))
    answer = await llama_stub.Ask(asks, timeout=60)
    assert (answer.content, list(answer.tool_calls)) == (TEXT, [])


async def test_log_probabilities(llama_stub: Stub) -> None:
    """Each token of the text has its own, in bytes, and those of the reasoning are left out."""
    asks = pb.Message(content="Hello", params=pb.Params(top_logprobs=2))
    answer = await llama_stub.Ask(asks, timeout=60)
    assert answer.content == TEXT
    assert b"".join(each.raw for each in answer.logprobs) == TEXT.encode()
    assert {len(each.top) for each in answer.logprobs} == {2}


async def test_a_caller_who_leaves_frees_the_slot(llama: LlamaServer, llama_stub: Stub) -> None:
    """When the caller cancels an endless answer, the server stops long before its limit."""
    call = llama_stub.Send(await endless(llama))
    assert (await next_of(call)).content
    assert any(slot["is_processing"] for slot in await llama.slots())
    call.cancel()
    slots = await llama.idle()
    assert all(slot["n_prompt_tokens"] < CONTEXT // 2 for slot in slots)


async def test_more_calls_than_slots(
    llama: LlamaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the gateway file of docs/models.md, calls beyond the slots wait, and are answered."""
    monkeypatch.setenv("LLAMA_API_KEY", llama.api_key)
    path = tmp_path / "gateway.yaml"
    path.write_text(GATEWAY_FILE.replace("http://127.0.0.1:8080", llama.root))
    settings = config.load(config=path, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0")
    async with App(settings) as app, grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        asks = [stub.Ask(pb.Message(content=f"{n}"), timeout=60) for n in range(3 * SLOTS)]
        answers = await asyncio.gather(*asks)
    assert [answer.content for answer in answers] == [TEXT] * len(asks)
    assert {answer.model for answer in answers} == {MODEL}
    assert {answer.route.upstream for answer in answers} == {"local"}


async def test_the_list_of_models(llama: LlamaServer, llama_stub: Stub) -> None:
    """The model that is listed is the one that the server names."""
    listed = await llama_stub.ListModels(pb.ListModelsRequest(), timeout=60)
    served = (await llama.ask("/v1/models")).json()["data"]
    assert [model.name for model in listed.models] == [model["id"] for model in served] == [MODEL]


async def test_a_count_is_an_estimate(llama_stub: Stub) -> None:
    """Without a tokenizer in the settings, `CountTokens` says that it estimates."""
    count = await llama_stub.CountTokens(pb.Message(content="Hello"), timeout=60)
    assert count.estimated
