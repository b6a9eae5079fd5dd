"""Calls a server with `xai-sdk`, in the environment of that package, and prints what it gets.

python xai_client.py SCENARIO HOST:PORT KEY
"""

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
from pydantic import BaseModel
from xai_sdk import AsyncClient, Client
from xai_sdk.chat import Response, image, system, tool, tool_result, user
from xai_sdk.proto import auth_pb2, chat_pb2, image_pb2, models_pb2, sample_pb2, usage_pb2

MODEL = "demo-model"
PNG = b"\x89PNG\r\n\x1a\n" * 2
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = tool("get_weather", "Tells the weather.", CITY)


class Report(BaseModel):
    """What the answer is parsed as."""

    summary: str
    degrees: int


def facts_of(response: Response) -> dict[str, Any]:
    """Return what a program would read of a response."""
    return {
        "id": response.id,
        "content": response.content,
        "reasoning": response.reasoning_content,
        "role": response.role,
        "finish_reason": response.finish_reason,
        "prompt_tokens": response.usage.prompt_tokens,
        "completion_tokens": response.usage.completion_tokens,
        "cost": response.cost_usd,
    }


def stream(client: Client) -> Any:
    """Stream an answer."""
    chat = client.chat.create(model=MODEL, messages=[system("Be brief."), user("hello there")])
    pieces = []
    for each, chunk in chat.stream():
        pieces.append(chunk.content)
        response = each
    return {"pieces": pieces, **facts_of(response)}


def sample(client: Client) -> Any:
    """Ask for a whole answer, twice in one conversation."""
    chat = client.chat.create(model=MODEL, temperature=0.5, max_tokens=100, stop=["never"])
    chat.append(user("hello there"))
    chat.append(chat.sample())
    chat.append(user("again"))
    return facts_of(chat.sample())


def parse(client: Client) -> Any:
    """Ask for an answer that fits a class."""
    chat = client.chat.create(model=MODEL, messages=[user("How warm is it?")])
    _, report = chat.parse(Report)
    return report.model_dump()


def tools(client: Client) -> Any:
    """Let the model call a tool, while it streams and in a whole answer, and return the result."""
    texts = []
    for streams in (True, False):
        chat = client.chat.create(
            model=MODEL,
            messages=[user("What is the weather in Paris?")],
            tools=[WEATHER],
            reasoning_effort="low",
            use_encrypted_content=True,
        )
        response = [each for each, _ in chat.stream()][-1] if streams else chat.sample()
        [call] = response.tool_calls
        city = json.loads(call.function.arguments)["city"]
        chat.append(response)
        chat.append(tool_result(f"sunny in {city}", tool_call_id=call.id if streams else None))
        texts.append([response.finish_reason, bool(response.reasoning_content)])
        texts.append(chat.sample().content)
    return texts


def picture(client: Client) -> Any:
    """Send an image."""
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    chat = client.chat.create(model=MODEL)
    chat.append(user("What is this?", image(data, detail="high")))
    return chat.sample().content


def refused(client: Client) -> Any:
    """Make calls that are rejected, each in both ways."""
    endings = []
    for settings in ({"store_messages": True}, {"temperature": 9.0}):
        chat = client.chat.create(model=MODEL, messages=[user("hello")], **settings)
        endings += [ending_of(chat.sample), ending_of(partial(list, chat.stream()))]
    chat = client.chat.create(model=MODEL, messages=[user("hello")])
    return [*endings, ending_of(partial(chat.sample_batch, 2))]


def fails(client: Client) -> Any:
    """Make calls of both kinds, and report how each ends."""
    chat = client.chat.create(model=MODEL, messages=[user("hello")])
    return [ending_of(call) for call in (chat.sample, lambda: list(chat.stream()))]


def cut(client: Client) -> Any:
    """Read a stream until it fails."""
    chat = client.chat.create(model=MODEL, messages=[user("hello")])
    pieces = []

    def read() -> None:
        for _, chunk in chat.stream():
            pieces.append(chunk.content)

    return {"ending": ending_of(read), "pieces": len(pieces)}


def ending_of(call: Callable[[], Any]) -> list[str]:
    """Return the code of a call that fails, and its reason."""
    try:
        call()
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
        words = [word for word in details.split(b"\n") if b"\x12\ttokenwire" in word]
        reason = words[0].split(b"\x12\ttokenwire")[0][1:].decode() if words else ""
        return [error.code().name, reason]
    return ["OK", ""]


def catalog(client: Client) -> Any:
    """Ask for the models and the key."""
    return {
        "models": [each.name for each in client.models.list_language_models()],
        "price": client.models.get_language_model(MODEL).prompt_text_token_price,
        "key": client.auth.get_api_key_info().name,
    }


def contract(_: Client) -> Any:
    """Return the fields, values and methods of the package's own contract."""
    modules = (auth_pb2, chat_pb2, image_pb2, models_pb2, sample_pb2, usage_pb2)
    files = [module.DESCRIPTOR for module in modules]
    return {
        "fields": {
            message.name: {field.name: [field.number, field.type] for field in message.fields}
            for file in files
            for message in file.message_types_by_name.values()
        },
        "values": {
            enum.name: {value.name: value.number for value in enum.values}
            for file in files
            for enum in file.enum_types_by_name.values()
        },
        "methods": [
            f"/{service.full_name}/{name}"
            for file in files
            for service in file.services_by_name.values()
            for name in service.methods_by_name
        ],
    }


async def with_asyncio(address: str, key: str) -> Any:
    """Stream and ask with the client for asyncio."""
    client = AsyncClient(api_key=key, api_host=address)
    chat = client.chat.create(model=MODEL, messages=[user("hello there")])
    async for each, _ in chat.stream():
        streamed = each
    whole = await chat.sample()
    await client.close()
    return [streamed.content, whole.content]


SCENARIOS = (stream, sample, parse, tools, picture, refused, fails, cut, catalog, contract)


def main(name: str, address: str, key: str, connection: str = "") -> None:
    """Run a scenario and print its result as JSON."""
    plaintext = connection == "plaintext"
    if name == "with_asyncio":
        result = asyncio.run(with_asyncio(address, key))
    else:
        [scenario] = [each for each in SCENARIOS if each.__name__ == name]
        with Client(api_key=key, api_host=address, use_insecure_channel=plaintext) as client:
            result = scenario(client)
    print(json.dumps(result))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
