"""Calls a server with `google-cloud-aiplatform`, in its own environment, and prints what it gets.

python aiplatform_client.py SCENARIO HOST:PORT KEY
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.api_core import exceptions
from google.cloud.aiplatform_v1beta1.services.prediction_service import (
    PredictionServiceAsyncClient,
    PredictionServiceClient,
    transports,
)
from google.cloud.aiplatform_v1beta1.types import ChatCompletionsRequest
from google.rpc import error_details_pb2

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
HELLO = [{"role": "user", "content": "hello there"}]


def asked(**body: Any) -> ChatCompletionsRequest:
    """Return a request with a body."""
    data = json.dumps({"model": "demo-model", "messages": HELLO, **body}).encode()
    return ChatCompletionsRequest(
        endpoint="projects/p/locations/l/endpoints/openapi",
        http_body=HttpBody(content_type="application/json", data=data),
    )


class Caller:
    """Calls a server with a key."""

    def __init__(self, address: str, key: str) -> None:
        transport = transports.PredictionServiceGrpcTransport(
            channel=grpc.insecure_channel(address)
        )
        self._client = PredictionServiceClient(transport=transport)
        self._metadata = [("x-goog-api-key", key)]

    def call(self, timeout: float | None = None, **body: Any) -> Any:
        """Return the messages of an answer as they come."""
        options = {"metadata": self._metadata} | ({"timeout": timeout} if timeout else {})
        return self._client.chat_completions(asked(**body), **options)

    def stream(self, **body: Any) -> list[Any]:
        """Return the decoded chunks of an answer."""
        return [json.loads(each.data) for each in self.call(stream=True, **body)]

    def whole(self, **body: Any) -> Any:
        """Return the decoded completion."""
        [found] = self.call(**body)
        return json.loads(found.data)


def text_of(chunks: list[Any]) -> str:
    """Return the text of chunks."""
    return "".join(
        choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"]
    )


def answers(caller: Caller) -> Any:
    """Ask for an answer in both forms."""
    chunks = caller.stream(stream_options={"include_usage": True})
    whole = caller.whole()
    return [text_of(chunks), len(chunks), chunks[-1]["usage"], whole]


def tools(caller: Caller) -> Any:
    """Let the model call a tool in both forms, and return the result."""
    question = {"role": "user", "content": "What is the weather in Paris?"}
    texts = []
    for message in (
        caller.whole(messages=[question], tools=[TOOL])["choices"][0]["message"],
        joined(caller.stream(messages=[question], tools=[TOOL])),
    ):
        [call] = message["tool_calls"]
        city = json.loads(call["function"]["arguments"])["city"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": f"sunny in {city}"}
        answer = caller.whole(messages=[question, message, result], tools=[TOOL])
        texts.append(answer["choices"][0]["message"]["content"])
    return texts


def joined(chunks: list[Any]) -> dict[str, Any]:
    """Return the message of a streamed call of one tool."""
    pieces = [
        call
        for chunk in chunks
        for choice in chunk["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    arguments = "".join(piece["function"]["arguments"] for piece in pieces)
    function = {"name": pieces[0]["function"]["name"], "arguments": arguments}
    call = {"id": pieces[0]["id"], "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def ending_of(call: Callable[[], Any]) -> list[Any]:
    """Return how a call ends: its code, its reason, its wait and the fields that it names."""
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        waits = [each for each in error.details if isinstance(each, error_details_pb2.RetryInfo)]
        requests = [
            each for each in error.details if isinstance(each, error_details_pb2.BadRequest)
        ]
        return [
            error.grpc_status_code.name,
            error.reason,
            waits[0].retry_delay.ToMilliseconds() / 1_000 if waits else None,
            [violation.field for each in requests for violation in each.field_violations],
        ]
    return ["OK"]


def fails(caller: Caller) -> Any:
    """Make calls of both forms, and report how each ends."""
    return [ending_of(call) for call in (caller.whole, caller.stream)]


def refused(caller: Caller) -> Any:
    """Make a call with a value that is out of range."""
    return ending_of(lambda: caller.stream(temperature=9))


def leaves(caller: Caller) -> Any:
    """Cancel a stream after its first message, and let the deadline of another one pass."""
    call = caller.call(stream=True)
    first = json.loads(next(iter(call)).data)
    call.cancel()
    ending = ending_of(lambda: list(caller.call(timeout=1, stream=True)))
    return [bool(first["choices"]), ending[0]]


async def with_asyncio(address: str, key: str) -> Any:
    """Ask with the client for asyncio in both forms."""
    async with grpc.aio.insecure_channel(address) as channel:
        transport = transports.PredictionServiceGrpcAsyncIOTransport(channel=channel)
        client = PredictionServiceAsyncClient(transport=transport)
        metadata = [("authorization", f"Bearer {key}")]
        call = await client.chat_completions(asked(stream=True), metadata=metadata)
        chunks = [json.loads(each.data) async for each in call]
        call = await client.chat_completions(asked(), metadata=metadata)
        [whole] = [json.loads(each.data) async for each in call]
    return [text_of(chunks), whole["choices"][0]["message"]["content"]]


SCENARIOS = (answers, tools, fails, refused, leaves)


def main(name: str, address: str, key: str) -> None:
    """Run a scenario and print its result as JSON."""
    if name == "with_asyncio":
        result = asyncio.run(with_asyncio(address, key))
    else:
        [scenario] = [each for each in SCENARIOS if each.__name__ == name]
        result = scenario(Caller(address, key))
    print(json.dumps(result))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
