"""The fields that are rejected for models of which only LangChain's interface is known."""

import grpc
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from support.helpers import reason_of, violated_fields_of
from support.unary import error_of
from tokenwire import config
from tokenwire.app import App
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.progress_timer import Timeouts
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

URL = "https://example.com/a.png"
LACKED = {
    "params.top_logprobs": pb.Message(params=pb.Params(top_logprobs=0)),
    "params.top_k": pb.Message(params=pb.Params(top_k=5)),
    "params.min_p": pb.Message(params=pb.Params(min_p=0.1)),
    "params.logit_bias": pb.Message(params=pb.Params(logit_bias={1: 1.0})),
    "params.service_tier": pb.Message(params=pb.Params(service_tier=pb.SERVICE_TIER_FLEX)),
    "reasoning.effort": pb.Message(reasoning=pb.Reasoning(effort=pb.EFFORT_LOW)),
    "reasoning.max_tokens": pb.Message(reasoning=pb.Reasoning(max_tokens=9)),
    "format.json": pb.Message(format=pb.Format(json=True)),
    "format.regex": pb.Message(format=pb.Format(regex="a")),
    "parts[0].detail": pb.Message(parts=[pb.Part(url=URL, detail=pb.DETAIL_LOW)]),
    "history[0].parts[0].detail": pb.Message(
        history=[pb.Turn(role=pb.ROLE_USER, parts=[pb.Part(url=URL, detail=pb.DETAIL_HIGH)])]
    ),
}
TAKEN = pb.Message(
    params=pb.Params(
        temperature=1,
        max_tokens=9,
        top_p=0.5,
        stop=["x"],
        seed=1,
        frequency_penalty=1,
        presence_penalty=1,
        user="me",
    ),
    parts=[pb.Part(url=URL), pb.Part(inline=b"x", media_type="audio/wav")],
)


async def test_what_langchain_has_no_name_for(subtests: pytest.Subtests) -> None:
    """It is rejected by name, because the model would ignore it; the rest is passed on."""
    model = LangChainModel(
        GenericFakeChatModel(messages=iter([AIMessage("fine")])), Timeouts(60, 60)
    )
    settings = config.load(
        base_url="http://127.0.0.1:1/v1", listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
    )
    async with App(settings, model) as app, grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        for field, message in LACKED.items():
            with subtests.test(field=field):
                message.content = "hello"
                error = await error_of(stub.Ask(message))
                assert reason_of(error) == "INVALID_PARAMETER"
                assert violated_fields_of(error) == [field]
        TAKEN.content = "hello"
        assert (await stub.Ask(TAKEN)).content == "fine"
