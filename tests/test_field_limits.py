"""Counts fields on the wire and compares the result with protobuf's own parser."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from support.mutation import mutated
from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.sampling import MAX_STOPS
from tokenwire.core.errors import InvalidParameter, MalformedRequest
from tokenwire.v1 import chatgpt_pb2 as pb

MAX_TURNS = 2
MAX_TEXT_BYTES = 1_000
LIMITS = FieldLimits(MAX_TURNS, MAX_TEXT_BYTES)

TEXTS = st.text(max_size=5)
TURNS = st.builds(pb.Turn, role=st.sampled_from([pb.ROLE_USER]), content=TEXTS)
MESSAGES = st.builds(
    pb.Message,
    content=TEXTS,
    system=st.none() | TEXTS,
    history=st.lists(TURNS, max_size=4),
    params=st.builds(pb.Params, temperature=st.just(1.0), stop=st.lists(TEXTS, max_size=6)),
)
VARINTS = st.builds(
    lambda low, more: bytes(0x80 | each for each in low) + more,
    st.binary(max_size=11),
    st.binary(min_size=1, max_size=1),
)
TAGS = st.sampled_from([b"\x12", b"\x1a", b"\x20", b"\x22", b"\x2a", b"\x33", b"\x34", b"\x35"])
FIELDS = st.lists(TAGS | VARINTS | st.binary(max_size=3), max_size=20).map(b"".join)
REQUESTS = mutated(st.builds(pb.Message.SerializeToString, MESSAGES)) | FIELDS


def parsed(request: bytes) -> pb.Message | None:
    """Return the message that protobuf parses from these bytes; None if it cannot."""
    try:
        return pb.Message.FromString(request)
    except DecodeError:
        return None


def verdict(request: bytes) -> str:
    """Return the field that a request has too many of, "malformed" or "allowed"."""
    try:
        LIMITS.check(request)
    except MalformedRequest:
        return "malformed"
    except InvalidParameter as error:
        return error.field
    return "allowed"


@given(request=REQUESTS)
def test_it_counts_what_the_parser_finds(request: bytes) -> None:
    """A message that the parser accepts is rejected exactly if one of its lists is too long."""
    message = parsed(request)
    found = verdict(request)
    if message is None:
        return
    too_long = {
        "history": len(message.history) > MAX_TURNS,
        "params.stop": len(message.params.stop) > MAX_STOPS,
    }
    assert too_long.get(found, found == "allowed")
    assert found != "allowed" or not any(too_long.values())


def lists_of(message: Descriptor, path: str = "") -> Iterator[str]:
    """Yield the paths of all repeated fields of a message and of the messages within it."""
    for field in message.fields:
        if field.is_repeated:
            yield path + field.name
        if field.message_type:
            yield from lists_of(field.message_type, f"{path}{field.name}.")


def test_every_list_of_a_request_has_a_bound() -> None:
    """Every list of a request has a limit."""
    assert set(lists_of(pb.Message.DESCRIPTOR)) == set(LIMITS.lists)


@pytest.mark.parametrize("turns", [0, 1, MAX_TURNS])
def test_as_many_turns_as_are_allowed_are_counted(turns: int) -> None:
    """A history within its limit is accepted, whatever else the message contains."""
    turn = pb.Turn(role=pb.ROLE_USER, content="x" * 300)
    params = pb.Params(stop=["a", "b", "c", "d"], seed=2**62, temperature=1)
    message = pb.Message(content="x" * 200, history=[turn] * turns, params=params)
    LIMITS.check(message.SerializeToString())


def test_a_message_in_parts_has_one_list() -> None:
    """The parser merges repeated `params` fields, so their stops count as one list."""
    part = pb.Message(params=pb.Params(stop=["a", "b"])).SerializeToString()
    LIMITS.check(part * 2)
    with pytest.raises(InvalidParameter) as caught:
        LIMITS.check(part * 3)
    assert caught.value.field == "params.stop"


DATA = pb.Part(media_type="image/png", inline=b"x" * 10_000)


@pytest.mark.parametrize(
    "data",
    [
        pb.Message(content="x", parts=[DATA, DATA]),
        pb.Message(content="x", history=[pb.Turn(role=pb.ROLE_USER, parts=[DATA])]),
    ],
)
def test_inline_data_is_not_text(data: pb.Message) -> None:
    """The limit of text ignores inline data, and holds for all else beside it."""
    LIMITS.check(data.SerializeToString())
    data.content = "x" * MAX_TEXT_BYTES
    with pytest.raises(InvalidParameter) as caught:
        LIMITS.check(data.SerializeToString())
    assert caught.value.field == "message"


def test_only_the_data_of_parts_is_inline() -> None:
    """Unknown fields with the number of `inline`, in any other place, count as text."""
    unknown = pb.Message(content="x").SerializeToString()
    hidden = b"\xfa\x06" + b"\x90\x4e" + DATA.SerializeToString()[:10_000].ljust(10_000, b"x")
    with pytest.raises(InvalidParameter):
        LIMITS.check(unknown + hidden)
