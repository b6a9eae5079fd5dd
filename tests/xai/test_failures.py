"""Failures in xAI's API of what only that API has; tests/protocols has the others."""

import pytest

from support.helpers import reason_of
from support.unary import error_of
from support.xai import XaiStubs, asked
from tokenwire.api.xai import service


async def test_a_bug(xai: XaiStubs, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a conversion is INTERNAL, and its text reaches nobody."""

    def fail(*_: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(service, "to_message", fail)
    for call in (xai.chat.GetCompletion(asked()), xai.stream(asked())):
        error = await error_of(call)
        assert (error.code().name, reason_of(error)) == ("INTERNAL", "INTERNAL")
        assert "canary" not in str(error)
