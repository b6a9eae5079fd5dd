"""The demo upstream as a valid OpenAI-compatible server."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tokenwire_demo import DemoUpstream

OPENING = "This is tokenwire's built-in demo model, a simulator: it does not think."


@pytest.fixture
async def client(upstream: DemoUpstream) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=upstream.base_url, trust_env=False) as client:
        yield client


def question(text: str = "hello big world", /, **fields: Any) -> dict[str, Any]:
    return {"model": "any-model", "messages": [{"role": "user", "content": text}], **fields}


async def ask(client: httpx2.AsyncClient, body: dict[str, Any]) -> httpx2.Response:
    return await client.post("/chat/completions", json=body)


async def answer(client: httpx2.AsyncClient, body: dict[str, Any]) -> tuple[str, str]:
    choice = (await ask(client, body)).json()["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def events(response: httpx2.Response) -> list[Any]:
    payloads = [one.removeprefix("data: ") for one in response.text.split("\n\n") if one]
    return [one if one == "[DONE]" else json.loads(one) for one in payloads]


async def test_a_stream_is_role_then_one_token_per_event_then_finish_then_done(
    client: httpx2.AsyncClient,
) -> None:
    """A stream consists of the role, the tokens, the finish reason and [DONE], in this order."""
    response = await ask(client, question(stream=True))
    role, *content, finish, done = events(response)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["transfer-encoding"] == "chunked"
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    tokens = [one["choices"][0]["delta"]["content"] for one in content]
    assert tokens[:3] == ["This", " is", " tokenwire's"]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert finish["choices"][0]["delta"] == {}
    assert done == "[DONE]"
    assert all(one["model"] == "any-model" for one in (role, *content, finish))
    assert "".join(tokens) == (await answer(client, question()))[0]


async def test_usage_is_streamed_only_when_asked_for(client: httpx2.AsyncClient) -> None:
    """A usage chunk follows the finish reason if and only if the client requests it."""
    asked = question(stream=True, stream_options={"include_usage": True})
    *content, usage, _ = events(await ask(client, asked))
    assert usage["choices"] == []
    assert usage["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": len(content) - 2,
        "total_tokens": len(content) + 1,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert all(one["usage"] is None for one in content)
    silent = events(await ask(client, question(stream=True)))
    assert all("usage" not in one for one in silent)


async def test_the_answer_is_honest_and_depends_on_the_prompt(client: httpx2.AsyncClient) -> None:
    """The answer states that it is a simulator and refers to words, history and system prompt."""
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "before"},
        {"role": "assistant", "content": "indeed"},
        {"role": "user", "content": [{"type": "text", "text": "one two three"}]},
    ]
    text, reason = await answer(client, {"model": "m", "messages": turns})
    assert reason == "stop"
    assert text == (
        f'{OPENING} You sent 3 words. The words: "one two three". Backwards: "three two one".'
        " Earlier turns in this conversation: 2. System prompt: 2 words."
    )


async def test_the_answer_names_images_and_files(client: httpx2.AsyncClient) -> None:
    """The answer states the type and the size, or the address, of each image, audio and file."""
    data = b64encode(b"x" * 1_234).decode()
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,&"}},
        {"type": "other"},
    ]
    turns = [{"role": "user", "content": [{"type": "text", "text": "what?"}, *parts]}]
    text, _ = await answer(client, {"model": "m", "messages": turns})
    assert (
        "It has an image of type image/png, 1,234 bytes. "
        "It has an image at https://example.com/a.png. "
        "It has an audio of type audio/mp3, 1,234 bytes. "
        "It has a file that is not base64. "
        "It has an unknown part. " in text
    )


async def test_the_same_request_gets_the_same_answer(client: httpx2.AsyncClient) -> None:
    """The answer depends only on the request."""
    assert await answer(client, question()) == await answer(client, question())


async def test_a_long_prompt_is_quoted_in_part(client: httpx2.AsyncClient) -> None:
    """The length of the answer is bounded, however long the prompt is."""
    text, _ = await answer(client, question("word " * 1000))
    assert "You sent 1000 words. The first 12 words: " in text
    assert len(text) < 500


async def test_a_token_limit_ends_the_answer(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    """Both names of the limit end the answer with finish reason length."""
    for field in ("max_tokens", "max_completion_tokens"):
        with subtests.test(field=field):
            assert await answer(client, question(**{field: 2})) == ("This is", "length")


STOPS: list[tuple[object, str]] = [
    (" demo", "This is tokenwire's built-in"),
    (["nowhere", "it d", "model,"], "This is tokenwire's built-in demo "),
    ("in demo mo", "This is tokenwire's built-"),
    (["", "This"], ""),
]


async def test_a_stop_string_ends_the_answer_before_it(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    """The text ends just before the first stop string, even if the string spans tokens."""
    for stop, text in STOPS:
        with subtests.test(stop=stop, text=text):
            assert await answer(client, question(stop=stop)) == (text, "stop")
            streamed = events(await ask(client, question(stop=stop, stream=True)))
            assert (
                "".join(one["choices"][0]["delta"].get("content", "") for one in streamed[:-1])
                == text
            )


async def test_lone_surrogates_in_a_prompt_do_no_harm(client: httpx2.AsyncClient) -> None:
    """Characters of a prompt that UTF-8 cannot encode are replaced in the answer."""
    body = json.dumps(question("a \ud800 b"))
    response = await client.post("/chat/completions", content=body)
    assert '"a ? b"' in response.json()["choices"][0]["message"]["content"]


async def test_models_lists_the_demo_model(client: httpx2.AsyncClient) -> None:
    """GET /models returns a list of one model."""
    models = (await client.get("/models")).json()
    assert [one["id"] for one in models["data"]] == ["tokenwire-demo"]


async def test_any_prefix_is_accepted(upstream: DemoUpstream, client: httpx2.AsyncClient) -> None:
    """Azure-style paths with a query reach the model and are recorded in full."""
    base = upstream.base_url.removesuffix("/v1")
    path = "/openai/deployments/d/chat/completions?api-version=2024-06-01"
    response = await client.post(base + path, json=question())
    assert response.status_code == 200
    assert upstream.requests[0].path == path


UNKNOWN = [("GET", "/nowhere", 404), ("GET", "/chat/completions", 405), ("POST", "/models", 405)]


async def test_unknown_paths_and_methods_get_an_error_object(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    """Unknown paths and methods get OpenAI's error object."""
    for method, path, status in UNKNOWN:
        with subtests.test(method=method, path=path, status=status):
            response = await client.request(method, path)
            assert response.status_code == status
            assert response.json()["error"].keys() == {"message", "type", "param", "code"}


BAD_REQUESTS: list[tuple[object, str]] = [
    ([], "must be a JSON object"),
    ({"messages": []}, "model must be"),
    ({"model": "m"}, "messages must be"),
    ({"model": "m", "messages": ["hi"]}, "messages[0] must be"),
    ({"model": "m", "messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
    (question(max_tokens=0), "max_tokens must be"),
    (question(n=2), "n must be 1"),
    (question(stop=[1]), "stop must be"),
]


async def test_a_bad_request_is_told_what_is_wrong(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    """An invalid request gets a 400 that names the field."""
    for body, said in BAD_REQUESTS:
        with subtests.test(body=body, said=said):
            response = await client.post("/chat/completions", json=body)
            assert response.status_code == 400
            assert said in response.json()["error"]["message"]


async def test_a_body_that_is_not_json_is_refused(client: httpx2.AsyncClient) -> None:
    """A body that is not JSON gets a 400."""
    response = await client.post("/chat/completions", content=b"\xff")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_json"


async def test_a_connection_is_kept_alive(
    upstream: DemoUpstream, client: httpx2.AsyncClient
) -> None:
    """Sequential requests use the same connection."""
    for _ in range(3):
        await ask(client, question(stream=True))
    assert [len(one.requests) for one in upstream.connections] == [3]
    assert (upstream.open_connections, upstream.active_requests) == (1, 0)
