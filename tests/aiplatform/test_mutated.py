"""Bodies that are almost right: each is converted or refused, and no bug shows."""

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tokenwire.api.aiplatform.body import check_count, decode_body
from tokenwire.api.aiplatform.fields import FIELDS
from tokenwire.api.aiplatform.merging import merge
from tokenwire.api.aiplatform.request import to_request
from tokenwire.api.chatgpt.catalog import Defaults
from tokenwire.api.chatgpt.wire import to_request as to_chat_request
from tokenwire.api.encrypted_content import encode_states
from tokenwire.core.errors import InvalidField, InvalidParameter, ServiceError

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
CALL = {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
STATE = encode_states([("1", b"a")])
BODY: dict[str, Any] = {
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [IMAGE, {"type": "text", "text": "t"}]},
        {
            "role": "assistant",
            "tool_calls": [CALL],
            "encrypted_content": encode_states([("1", b"a")]),
        },
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "user", "content": "hi"},
    ],
    "tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "temperature": 1,
    "logit_bias": {"1": 2},
    "stop": ["x"],
    "reasoning_effort": "low",
}
DATA = json.dumps(BODY).encode()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def convert(data: bytes) -> None:
    """Do with a body what the server does before it asks a model."""
    field = ""
    try:
        asked = to_request(asyncio.run(decode_body(data, 16)), len(data), 16, 4_096)
        to_chat_request(asked.message, Defaults("m")).with_body(asked.body)
    except InvalidField as error:
        field = FIELDS.field_name(error.field)
    except ServiceError:
        pass
    assert not field.startswith(("params.", "history", "parts"))


@given(
    st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_changed_bytes(changes: list[tuple[int, int]]) -> None:
    """A body in which a few bytes are changed is converted or refused."""
    data = bytearray(DATA)
    for position, value in changes:
        data[position] = value
    convert(bytes(data))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return each container in a value with each of its keys."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [(value, key) for key, _ in inner]
    for container, key in tuple(found):
        if isinstance(container[key], dict | list):
            found += places(container[key])
    return found


@given(st.integers(0, len(places(BODY)) - 1), VALUES)
def test_changed_values(place: int, value: Any) -> None:
    """A body in which any value is another one, of any type, is converted or refused."""
    body = json.loads(DATA)
    container, key = places(body)[place]
    container[key] = value
    convert(json.dumps(body).encode())


@given(VALUES, st.integers(1, 40))
def test_values_are_counted(value: Any, limit: int) -> None:
    """Values that are too many are refused, and others only for too many texts."""
    data = json.dumps(value, separators=(",", ":")).encode()
    count = 0
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict | list):
            count += max(len(each), 1)
            stack += each.values() if isinstance(each, dict) else each
    try:
        check_count(data, limit)
    except InvalidParameter:
        assert count > limit or data.count(b'"') > 2 * limit
    else:
        assert count <= limit


@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), max_size=4))
def test_any_members_are_merged(chunks: list[dict[str, Any]]) -> None:
    """Members of any types are merged without an error, and none that has a value is lost."""
    merged: dict[str, Any] = {}
    for each in chunks:
        merge(merged, each)
    assert merged.keys() == {name for each in chunks for name in each}
