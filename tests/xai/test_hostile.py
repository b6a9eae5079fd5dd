"""Requests of xAI's API that would keep the server busy: each is rejected at once, by name."""

import time

import pytest

from support.app import StartApp
from support.helpers import reason_of, violated_fields_of
from support.unary import error_of
from support.xai import asked, image, said, xai_stubs
from tokenwire.api.encrypted_content import MAX_ENTRIES, decode_states, encode_states
from tokenwire.api.xai.request import to_message
from tokenwire.core.errors import InvalidParameter
from tokenwire.xai.v1 import xai_pb2 as pb

MOST_BYTES = 19_000_000
"""As much as a request may have."""
AT_ONCE = 0.05
"""Seconds of CPU time in which a request is rejected; a copy of it takes a tenth of that."""


def test_the_number_of_states() -> None:
    """As many states as an answer can have are accepted, and no more."""
    entries = [(str(number), b"x") for number in range(MAX_ENTRIES + 1)]
    assert len(decode_states(encode_states(entries[1:]), "f")) == MAX_ENTRIES
    with pytest.raises(InvalidParameter):
        decode_states(encode_states(entries), "f")


URLS = {
    "no URL": "x" * MOST_BYTES,
    "a URL that is too long": "http://x/" + "x" * MOST_BYTES,
    "a type without an end": "data:" + "x" * MOST_BYTES,
    "ends of types": "data:image/png;base64" + ";base64" * (MOST_BYTES // 7),
}


@pytest.mark.parametrize("name", URLS)
def test_a_long_address_of_an_image(name: str) -> None:
    """An image that is neither a URL nor data is rejected at once, and named."""
    picture = pb.Message(role=pb.ROLE_USER, content=[image(URLS[name])])
    request = asked(said("a"), picture)
    started = time.thread_time()
    with pytest.raises(InvalidParameter) as caught:
        to_message(request)
    assert time.thread_time() - started < AT_ONCE
    assert caught.value.field == "messages[1].content[0].image_url.image_url"


@pytest.mark.parametrize("name", ["x" * 257, "canary\n", "x" * 1_000_000])
async def test_the_name_of_a_model(start_app: StartApp, name: str) -> None:
    """GetLanguageModel rejects the names that a request cannot have, and does not repeat them."""
    app = await start_app(protocols="xai")
    async with xai_stubs(app.address) as stubs:
        error = await error_of(stubs.models.GetLanguageModel(pb.GetModelRequest(name=name)))
        assert (reason_of(error), violated_fields_of(error)) == ("INVALID_PARAMETER", ["name"])
        assert "canary" not in str(error)
