"""The simulator's embeddings and tokenizer."""

import base64
import json
import struct

import httpx2

from tokenwire_demo import DemoUpstream
from tokenwire_demo.embedding import DIMENSIONS, vector


async def post(upstream: DemoUpstream, path: str, body: object) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        url = f"{upstream.base_url.removesuffix('/v1')}{path}"
        return await client.post(url, content=json.dumps(body))


async def test_equal_texts_have_equal_vectors(upstream: DemoUpstream) -> None:
    """A vector depends on its text alone, and has the length that is asked for."""
    body = {"model": "m", "input": ["a", "b", "a"], "dimensions": 3}
    data = (await post(upstream, "/v1/embeddings", body)).json()["data"]
    assert [each["index"] for each in data] == [0, 1, 2]
    assert data[0]["embedding"] == data[2]["embedding"] == list(vector("a", 3))
    assert data[1]["embedding"] != data[0]["embedding"]


async def test_base64_is_the_same_vector(upstream: DemoUpstream) -> None:
    """With `encoding_format` base64 a vector is the base64 of its 32-bit floats."""
    body = {"model": "m", "input": "Zürich", "encoding_format": "base64"}
    [item] = (await post(upstream, "/v1/embeddings", body)).json()["data"]
    numbers = struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(item["embedding"]))
    assert numbers == vector("Zürich", DIMENSIONS)


async def test_a_lone_surrogate_is_replaced(upstream: DemoUpstream) -> None:
    """A text that UTF-8 cannot encode has a vector too."""
    response = await post(upstream, "/v1/embeddings", {"model": "m", "input": "\ud800"})
    assert response.status_code == 200


async def test_a_bad_request_is_told(upstream: DemoUpstream) -> None:
    """A request without a model or a text, or with a bad length, is a 400 that names the field."""
    bodies = {
        "model": {"input": "a"},
        "input": {"model": "m", "input": ["a", ""]},
        "dimensions": {"model": "m", "input": "a", "dimensions": 0},
    }
    for field, body in bodies.items():
        response = await post(upstream, "/v1/embeddings", body)
        assert response.status_code == 400
        assert response.json()["error"]["message"].startswith(field)


async def test_a_plan_applies(upstream: DemoUpstream) -> None:
    """A plan in the last text, or a scripted one, applies to embeddings."""
    body = {"model": "m", "input": "[[demo: status 503]]"}
    assert (await post(upstream, "/v1/embeddings", body)).status_code == 503
    upstream.script("status 429")
    assert (await post(upstream, "/v1/embeddings", {"model": "m", "input": "a"})).status_code == 429


async def test_tokens_are_words(upstream: DemoUpstream) -> None:
    """The tokenizer counts the words of all messages, and equal words are equal tokens."""
    messages = [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "a"}]
    counted = (await post(upstream, "/tokenize", {"model": "m", "messages": messages})).json()
    first, _, last = counted["tokens"]
    assert (counted["count"], first) == (3, last)
