"""Parts of a request: what the upstream receives, and what is rejected."""

import json
from base64 import b64encode
from typing import Any

import grpc
import pytest

from support.app import Stub
from support.helpers import violated_fields_of
from support.quirks import STOP, Got, Player, player, response, text
from support.unary import error_of
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT

PNG = b"\x89PNG\r\n\x1a\n\x00"
ENCODED = b64encode(PNG).decode()
URL = "https://example.com/a%20b.png?sig=x%2Fy"
IMAGE = pb.Part(inline=PNG, media_type="image/png")
LARGE = bytes(range(256)) * 2_000


async def sent(upstream: Player, message: pb.Message) -> list[dict[str, Any]]:
    """Make a call that succeeds; return the messages that the upstream received."""
    assert (await upstream.play(response(text("x"), STOP), message)) == Got("x")
    messages: list[dict[str, Any]] = json.loads(upstream.upstream.body)["messages"]
    return messages


FORMS: list[tuple[pb.Part, dict[str, Any]]] = [
    (IMAGE, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{ENCODED}"}}),
    (
        pb.Part(url=URL, detail=pb.DETAIL_LOW),
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
    ),
    (
        pb.Part(inline=LARGE, media_type="IMAGE/JPEG", detail=pb.DETAIL_AUTO),
        {
            "type": "image_url",
            "image_url": {
                "url": f"data:image/jpeg;base64,{b64encode(LARGE).decode()}",
                "detail": "auto",
            },
        },
    ),
    (
        pb.Part(inline=PNG, media_type="audio/mpeg"),
        {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "mp3"}},
    ),
    (
        pb.Part(inline=PNG, media_type="audio/flac"),
        {"type": "input_audio", "input_audio": {"data": ENCODED, "format": "flac"}},
    ),
    (
        pb.Part(url=URL, media_type="audio/wav"),
        {"type": "audio_url", "audio_url": {"url": URL}},
    ),
    (
        pb.Part(inline=PNG, media_type="application/pdf", name="report.pdf"),
        {
            "type": "file",
            "file": {
                "filename": "report.pdf",
                "file_data": f"data:application/pdf;base64,{ENCODED}",
            },
        },
    ),
    (
        pb.Part(url=URL, media_type="application/pdf"),
        {"type": "file", "file": {"filename": "file", "file_data": URL}},
    ),
]


async def test_the_upstream_receives_the_parts(subtests: pytest.Subtests) -> None:
    """Each part has OpenAI's form, after the text, whether the body is sent whole or in pieces."""
    async with player() as upstream:
        for part, form in FORMS:
            with subtests.test(form=form["type"]):
                [message] = await sent(upstream, pb.Message(content="hello", parts=[part]))
                words = {"type": "text", "text": "hello"}
                assert message == {"role": "user", "content": [words, form]}


async def test_parts_of_turns() -> None:
    """Turns of users and results of tools have parts too, and text beside parts may be empty."""
    called = pb.ToolCall(id="a", name="get_map", arguments="{}")
    history = [
        pb.Turn(role=pb.ROLE_USER, parts=[IMAGE]),
        pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[called]),
        pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="map", parts=[IMAGE]),
    ]
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{ENCODED}"}}
    async with player() as upstream:
        messages = await sent(upstream, pb.Message(history=history, parts=[IMAGE, IMAGE]))
    assert [each["content"] for each in messages] == [
        [image],
        None,
        [{"type": "text", "text": "map"}, image],
        [image, image],
    ]
    assert messages[2]["tool_call_id"] == "a"


def parts(*found: pb.Part, content: str = "hello") -> pb.Message:
    return pb.Message(content=content, parts=found)


def turn(role: pb.Role.ValueType, *found: pb.Part) -> pb.Message:
    return pb.Message(content="hello", history=[pb.Turn(role=role, parts=found)])


INVALID: list[tuple[str, pb.Message]] = [
    ("parts[0]", parts(pb.Part())),
    ("parts[0].inline", parts(pb.Part(inline=b"", media_type="image/png"))),
    ("parts[1].media_type", parts(IMAGE, pb.Part(inline=PNG))),
    ("parts[0].media_type", parts(pb.Part(inline=PNG, media_type="image/x-unknown"))),
    ("parts[0].media_type", parts(pb.Part(url=URL, media_type="image"))),
    ("parts[0].media_type", parts(pb.Part(inline=PNG, media_type="text/plain; charset=utf-8"))),
    ("parts[0].url", parts(pb.Part(url="file:///etc/passwd"))),
    ("parts[0].url", parts(pb.Part(url="data:image/png;base64,AAAA"))),
    ("parts[0].url", parts(pb.Part(url="http://"))),
    ("parts[0].url", parts(pb.Part(url="http://a/ b"))),
    ("parts[0].url", parts(pb.Part(url="http://a/\r\nb"))),
    ("parts[0].url", parts(pb.Part(url="http://a/" + "x" * 8_192))),
    ("parts[0].name", parts(pb.Part(inline=PNG, media_type="text/csv", name="a\nb"))),
    ("parts[0].name", parts(pb.Part(inline=PNG, media_type="text/csv", name="x" * 257))),
    (
        "parts[0].detail",
        parts(pb.Part(inline=PNG, media_type="audio/wav", detail=pb.DETAIL_LOW)),
    ),
    ("parts[0].detail", parts(pb.Part.FromString(b"\x0a\x08http://a\x28\x09"))),
    ("parts", parts(*[IMAGE] * 129)),
    ("history.parts", turn(pb.ROLE_USER, *[pb.Part(url="http://a/" + "x" * 100)] * 129)),
    ("history[0].parts", turn(pb.ROLE_USER, *[pb.Part(url="http://a")] * 129)),
    ("history[0].parts", turn(pb.ROLE_ASSISTANT, IMAGE)),
    ("history[0].parts", turn(pb.ROLE_SYSTEM, IMAGE)),
    ("history[0].parts[0].media_type", turn(pb.ROLE_USER, pb.Part(inline=PNG))),
]


async def test_what_is_rejected(subtests: pytest.Subtests) -> None:
    """Each mistake is INVALID_PARAMETER with its field, and nothing is asked upstream."""
    async with player() as upstream:
        for field, message in INVALID:
            with subtests.test(field=field):
                got = await upstream.play(response(text("x"), STOP), message)
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


async def test_an_image_above_the_limit(stub: Stub, upstream: DemoUpstream) -> None:
    """An image of 30 MB is RESOURCE_EXHAUSTED with both sizes, and nothing is asked upstream."""
    image = pb.Part(inline=bytes(30_000_000), media_type="image/png")
    for method in (stub.Ask, stub.CountTokens):
        error = await error_of(method(parts(image)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "30000" in str(error.details())
        assert str(20 << 20) in str(error.details())
    assert upstream.requests_seen == 0


async def test_blank_text_is_rejected_with_parts_too() -> None:
    """Text of white space alone is EMPTY_PROMPT, whatever parts belong to it."""
    async with player() as upstream:
        got = await upstream.play(response(text("x"), STOP), parts(IMAGE, content=" "))
        assert got == Got("", "EMPTY_PROMPT", INVALID_ARGUMENT, requests=0)


REFUSALS: list[dict[str, Any]] = [
    {"message": "You uploaded an unsupported image.", "code": "invalid_image_format"},
    {"message": "Timeout while downloading the url.", "code": "invalid_image_url"},
    {"message": "At most 1 image(s) may be provided in one prompt.", "type": "BadRequestError"},
    {"message": "This model does not support audio input", "param": "messages"},
]


async def test_what_the_upstream_refuses(subtests: pytest.Subtests) -> None:
    """A 400 about an image blames the caller who sent one, and the gateway otherwise."""
    async with player() as upstream:
        for error in REFUSALS:
            body = json.dumps({"error": error}).encode()
            refused = response(body, status="400 Bad Request", content_type="application/json")
            with subtests.test(error=error["message"]):
                got = await upstream.play(refused, parts(IMAGE))
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == ["parts"]
                got = await upstream.play(refused, pb.Message(content="hello"))
                assert got.reason != "INVALID_PARAMETER"


async def test_more_text_than_allowed_beside_data() -> None:
    """The text of a request has a limit of its own, below that of the request with its data."""
    async with player(max_text_bytes=10_000) as upstream:
        image = pb.Part(inline=b"x" * 100_000, media_type="image/png")
        assert await upstream.play(response(text("x"), STOP), parts(image)) == Got("x")
        for message in (
            parts(image, content="x" * 10_000),
            pb.Message(content="x" * 10_000),
        ):
            got = await upstream.play(response(text("x"), STOP), message)
            assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
            assert upstream.error is not None
            assert violated_fields_of(upstream.error) == ["message"]
