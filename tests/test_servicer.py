"""Successful calls through a real server and a real upstream."""

import asyncio
from pathlib import Path

import grpc
import httpx2
import pytest

from support.app import MODEL, StartApp, Stub
from support.helpers import collect, run_python, text_of
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream
from tokenwire_demo.answer import tokenize

TESTS = Path(__file__).parent


async def expected_answer(upstream: DemoUpstream, prompt: str) -> str:
    """Return the answer of the upstream itself, requested without streaming."""
    payload = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
    async with httpx2.AsyncClient() as client:
        response = await client.post(f"{upstream.base_url}/chat/completions", json=payload)
    return str(response.json()["choices"][0]["message"]["content"])


async def test_the_answer_is_the_upstreams_text(stub: Stub, upstream: DemoUpstream) -> None:
    """The concatenated contents of all Answers equal the upstream's answer, byte for byte."""
    answers = await collect(stub.Send(pb.Message(content="Why is the sky blue?")))
    assert text_of(answers) == await expected_answer(upstream, "Why is the sky blue?")


async def test_the_first_token_arrives_while_the_model_still_writes(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """The caller receives the first token before the upstream sends the second."""
    upstream.script("tokens 1; barrier second; answer")
    answers = aiter(stub.Send(pb.Message(content="hello")))
    first = await anext(answers)
    assert first.content
    await upstream.barrier("second").reached()
    upstream.barrier("second").release()
    assert len(await collect(answers)) > 1


async def test_only_the_last_answer_tells_how_the_answer_ended(
    stub: Stub,
) -> None:
    """Answers before the last have only content; the last has everything but content."""
    *pieces, last = await collect(stub.Send(pb.Message(content="hello")))
    assert pieces
    for piece in pieces:
        assert piece == pb.Answer(content=piece.content)
        assert piece.content
    assert last.content == last.error == ""
    assert last.finish_reason == pb.FINISH_REASON_STOP
    assert last.model == MODEL
    assert last.id
    assert last.usage.output_tokens == len(tokenize(text_of(pieces)))
    assert last.usage.input_tokens > 0


async def test_tokens_that_arrive_apart_are_answers_of_their_own(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """At an ordinary rate nothing is merged: each token is one Answer."""
    upstream.script("tokens 1; barrier b1; tokens 1; barrier b2; tokens 1; finish; done")
    answers = aiter(stub.Send(pb.Message(content="hello")))
    received = []
    for barrier in ("b1", "b2"):
        received.append(await anext(answers))
        await upstream.barrier(barrier).reached()
        upstream.barrier(barrier).release()
    received.append(await anext(answers))
    assert [answer.content for answer in received] == ["This", " is", " tokenwire's"]


async def test_tokens_that_arrive_together_are_one_answer(
    stub: Stub, upstream: DemoUpstream
) -> None:
    """Tokens in one write of the upstream reach the caller in one Answer."""
    upstream.script("writes batch; tokens 3; finish; usage; done")
    answers = await collect(stub.Send(pb.Message(content="hello")))
    assert [answer.content for answer in answers] == ["This is tokenwire's", ""]


async def test_merging_can_be_turned_off(start_app: StartApp, upstream: DemoUpstream) -> None:
    """With TOKENWIRE_MERGE_TOKENS=false each upstream event is one Answer."""
    app = await start_app(merge_tokens=False)
    upstream.script("writes batch; tokens 3; finish; usage; done")
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers = await collect(stub.Send(pb.Message(content="hello")))
    assert [answer.content for answer in answers] == ["This", " is", " tokenwire's", ""]


async def test_usage_is_never_invented(stub: Stub, upstream: DemoUpstream) -> None:
    """Usage is absent if the upstream reports none."""
    upstream.script("rest; finish; done")
    answers = await collect(stub.Send(pb.Message(content="hello")))
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    assert not answers[-1].HasField("usage")


async def test_the_whole_request_reaches_the_upstream(stub: Stub, upstream: DemoUpstream) -> None:
    """The system prompt, history, message and all parameters are sent under OpenAI's names."""
    message = pb.Message(
        content="And now?",
        system="Be brief.",
        history=[
            pb.Turn(role=pb.ROLE_USER, content="Hi {name}"),
            pb.Turn(role=pb.ROLE_ASSISTANT, content="Hello"),
        ],
        params=pb.Params(
            model="another-model",
            temperature=0.7,
            max_tokens=5,
            top_p=0.9,
            stop=["END"],
            seed=7,
            frequency_penalty=0.5,
            presence_penalty=-0.5,
            user="user-1",
            top_k=40,
            min_p=0.05,
            logit_bias={50256: -100, 7: 0.5},
            service_tier=pb.SERVICE_TIER_FLEX,
        ),
    )
    answers = await collect(stub.Send(message))
    assert answers[-1].finish_reason == pb.FINISH_REASON_LENGTH
    assert upstream.requests[0].body == {
        "model": "another-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi {name}"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "And now?"},
        ],
        "temperature": 0.7,
        "max_tokens": 5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "user": "user-1",
        "top_k": 40,
        "min_p": 0.05,
        "logit_bias": {"50256": -100, "7": 0.5},
        "service_tier": "flex",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_the_settings_fill_in_what_a_request_leaves_open(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Model, temperature and system prompt default to the settings."""
    app = await start_app(temperature=0.25, system_prompt="Be kind.")
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
    assert upstream.requests[0].body == {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hello"},
        ],
        "temperature": 0.25,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_an_explicit_zero_and_an_empty_system_prompt_win_over_the_settings(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Temperature 0 and an empty system prompt override the settings."""
    app = await start_app(temperature=0.25, system_prompt="Be kind.")
    message = pb.Message(content="hello", system="", params=pb.Params(temperature=0))
    async with grpc.aio.insecure_channel(app.address) as channel:
        await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(message))
    body = upstream.requests[0].body
    assert body["temperature"] == 0
    assert [each["role"] for each in body["messages"]] == ["user"]


async def test_200_concurrent_calls_each_get_their_own_answer(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Each of 200 concurrent calls gets its own complete answer, byte for byte."""
    app = await start_app(max_streams_per_connection=200)
    prompts = [f"question number {index} of many" for index in range(200)]
    upstream.script(*["tokens 1; barrier all; answer"] * len(prompts))

    async with grpc.aio.insecure_channel(app.address) as channel:
        stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)

        async def ask(prompt: str) -> str:
            return text_of(await collect(stub.Send(pb.Message(content=prompt))))

        asking = asyncio.gather(*[ask(prompt) for prompt in prompts])
        await upstream.barrier("all").reached(len(prompts))
        upstream.barrier("all").release()
        texts = await asking
    assert len(set(texts)) == len(prompts)
    assert texts == [await expected_answer(upstream, prompt) for prompt in prompts]


async def test_connections_to_the_upstream_are_kept(stub: Stub, upstream: DemoUpstream) -> None:
    """Consecutive calls share one connection to the upstream."""
    for _ in range(5):
        await collect(stub.Send(pb.Message(content="hello")))
    assert len(upstream.connections) == 1


FINISH_REASONS = [
    ("stop", pb.FINISH_REASON_STOP),
    ("length", pb.FINISH_REASON_LENGTH),
    ("tool_calls", pb.FINISH_REASON_TOOL_CALLS),
    ("brand_new", pb.FINISH_REASON_OTHER),
]


async def test_the_finish_reason_is_the_upstreams(
    stub: Stub, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Every finish reason of the upstream is mapped to one of the contract."""
    for reason, expected in FINISH_REASONS:
        with subtests.test(reason=reason, expected=expected):
            upstream.script(f"rest; finish {reason}; done")
            answers = await collect(stub.Send(pb.Message(content="hello")))
            assert answers[-1].finish_reason == expected


ORIGINAL_CLIENT = """
import sys, grpc, chatgpt_pb2 as pb, chatgpt_pb2_grpc
with grpc.insecure_channel(sys.argv[1]) as channel:
    for answer in chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content=sys.argv[2])):
        assert not answer.error
        sys.stdout.write(answer.content)
assert "tokenwire" not in sys.modules
assert not hasattr(pb, "Usage")
"""


async def test_clients_of_the_original_contract_get_the_same_text(
    app: App, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A client generated from only the original proto reads the whole answer."""
    (tmp_path / "chatgpt.proto").write_bytes((TESTS / "original.proto").read_bytes())
    (tmp_path / "client.py").write_text(ORIGINAL_CLIENT)
    outputs = ["--python_out=.", "--grpc_python_out=."]
    await run_python("-m", "grpc_tools.protoc", "-I.", *outputs, "chatgpt.proto", cwd=tmp_path)
    output = await run_python("client.py", app.address, "Why is the sky blue?", cwd=tmp_path)
    assert output == await expected_answer(upstream, "Why is the sky blue?")
