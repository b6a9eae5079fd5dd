"""Requests of xAI's API that are almost right: each is converted or rejected, and no bug shows."""

from base64 import b64encode

import msgspec
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from support.xai import asked, called, function, image, said
from tokenwire.api.chatgpt.catalog import Defaults
from tokenwire.api.chatgpt.wire import to_request
from tokenwire.api.encrypted_content import END, decode_states, encode_states
from tokenwire.api.xai.field_limits import completion_limits
from tokenwire.api.xai.request import to_message
from tokenwire.api.xai.unserved import served
from tokenwire.core.errors import ServiceError
from tokenwire.xai.v1 import xai_pb2 as pb

REQUEST = asked(
    said("s", role=pb.ROLE_SYSTEM),
    pb.Message(role=pb.ROLE_USER, content=[image("data:image/png;base64,eA==")]),
    pb.Message(
        role=pb.ROLE_ASSISTANT,
        tool_calls=[called("1")],
        encrypted_content=encode_states([("1", b"a"), ("", b"b")]),
    ),
    said("r", role=pb.ROLE_TOOL),
    said("hello"),
    tools=[function(parameters='{"type":"object"}')],
    tool_choice=pb.ToolChoice(function_name="lookup"),
    response_format=pb.ResponseFormat(format_type=pb.FORMAT_TYPE_JSON_SCHEMA, schema="{}"),
    temperature=1,
    stop=["x"],
    logprobs=True,
    top_logprobs=2,
    reasoning_effort=pb.EFFORT_LOW,
    service_tier=pb.SERVICE_TIER_DEFAULT,
).SerializeToString()
CHECK = completion_limits(16, 4_096).check
PARSE = served(pb.GetCompletionsRequest)


def convert(data: bytes) -> None:
    """Do with the bytes of a request what the server does before it asks a model."""
    try:
        CHECK(data)
        message, places = to_message(PARSE(data))
        try:
            to_request(message, Defaults("m"))
        except ServiceError as error:
            field = getattr(error, "field", "model")
            assert "history" not in places.field_name(field)
            assert not places.field_name(field).startswith("params.")
    except (ServiceError, DecodeError):
        pass


@given(
    st.lists(
        st.tuples(st.integers(0, len(REQUEST) - 1), st.integers(0, 255)), min_size=1, max_size=4
    )
)
def test_changed_bytes(changes: list[tuple[int, int]]) -> None:
    """A request in which a few bytes are changed is converted or rejected."""
    data = bytearray(REQUEST)
    for position, value in changes:
        data[position] = value
    convert(bytes(data))


@given(st.integers(0, len(REQUEST)), st.integers(0, len(REQUEST)), st.binary(max_size=8))
def test_replaced_parts(start: int, end: int, inserted: bytes) -> None:
    """A request of which a part is replaced is converted or rejected."""
    convert(REQUEST[: min(start, end)] + inserted + REQUEST[max(start, end) :])


@given(st.one_of(st.text(max_size=30), st.binary(max_size=30).map(msgspec.msgpack.encode)))
def test_foreign_states(content: str | bytes) -> None:
    """An `encrypted_content` that this service has not made is rejected, whatever it is."""
    text = content if isinstance(content, str) else b64encode(content).decode() + END
    try:
        states = decode_states(text, "f")
    except ServiceError:
        return
    assert states == {}
