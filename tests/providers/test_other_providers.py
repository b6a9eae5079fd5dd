"""Any other provider's exceptions are mapped to the failure table by what they are."""

import asyncio
import errno
import json
from types import SimpleNamespace
from typing import Any

import aiohttp
import grpc
import httpx
import httpx2
import pytest
from langchain_core.exceptions import ModelRateLimitError
from langchain_ollama import ChatOllama

from support.ollama_wire import OLLAMA, line
from support.quirks import Got, Player
from support.raw_upstream import Piece, Reset, raw_upstream
from tokenwire import config
from tokenwire.app import App
from tokenwire.core import errors
from tokenwire.upstreams.langchain import LangChainModel
from tokenwire.upstreams.langchain.failures import failure_of
from tokenwire.upstreams.progress_timer import Timeouts
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

REQUEST = httpx.Request("POST", "http://host-canary/v1")


def by_httpx(status: int, body: Any = None, **headers: str) -> httpx.HTTPStatusError:
    """Return httpx's exception for a response."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx.Response(status, headers=headers, json=body or {}, request=REQUEST)
    return httpx.HTTPStatusError("canary", request=REQUEST, response=response)


class StatusError(Exception):
    """An SDK's exception with attributes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__("canary")
        self.__dict__.update(attributes)


def caused_by(cause: Exception, *, hidden: bool = False) -> Exception:
    """Return an exception that wraps another, possibly with `from None`."""
    outer = RuntimeError("canary")
    if hidden:
        outer.__context__ = cause
        outer.__suppress_context__ = True
    else:
        outer.__cause__ = cause
    return outer


BOTO = StatusError(
    response={
        "Error": {"Code": "ThrottlingException", "Message": "canary"},
        "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {"Retry-After": "7"}},
    }
)

FAILURES: list[tuple[Exception, type[errors.ServiceError]]] = [
    (by_httpx(401), errors.UpstreamAuthRejected),
    (by_httpx(404), errors.UpstreamModelNotFound),
    (by_httpx(400), errors.UpstreamRejectedRequest),
    (by_httpx(400, {"message": "prompt is too long"}), errors.PromptTooLong),
    (by_httpx(500), errors.UpstreamError),
    (caused_by(by_httpx(404)), errors.UpstreamModelNotFound),
    (caused_by(by_httpx(404), hidden=True), errors.UpstreamModelNotFound),
    (StatusError(status_code=402), errors.UpstreamQuotaExhausted),
    (StatusError(code=404), errors.UpstreamModelNotFound),
    (StatusError(status_code=400, body={"message": "prompt is too long"}), errors.PromptTooLong),
    (StatusError(response=SimpleNamespace(status=403, headers=None)), errors.UpstreamAuthRejected),
    (BOTO, errors.UpstreamRateLimited),
    (ModelRateLimitError("canary"), errors.UpstreamRateLimited),
    (httpx.ConnectError("canary"), errors.UpstreamUnreachable),
    (httpx2.ConnectTimeout("canary"), errors.UpstreamUnreachable),
    (httpx.ReadTimeout("canary"), errors.UpstreamTimeout),
    (httpx.RemoteProtocolError("canary"), errors.UpstreamUnreachable),
    (aiohttp.ServerDisconnectedError(), errors.UpstreamUnreachable),
    (ConnectionError("canary"), errors.UpstreamUnreachable),
    (ConnectionResetError(), errors.UpstreamUnreachable),
    (TimeoutError(), errors.UpstreamTimeout),
    (OSError(errno.EMFILE, "canary"), errors.ServerResourcesExhausted),
    (caused_by(ConnectionRefusedError()), errors.UpstreamUnreachable),
    (json.JSONDecodeError("canary", "", 0), errors.UpstreamProtocolError),
    (RuntimeError("canary"), errors.UpstreamError),
    (TypeError("chat() got an unexpected keyword argument"), errors.UpstreamRejectedRequest),
]
LATE: list[tuple[Exception, type[errors.ServiceError]]] = [
    (httpx.ReadError("canary"), errors.UpstreamStreamBroken),
    (aiohttp.ClientPayloadError("canary"), errors.UpstreamStreamBroken),
    (ConnectionResetError(), errors.UpstreamStreamBroken),
    (httpx.ReadTimeout("canary"), errors.UpstreamIdleTimeout),
    (TypeError("canary"), errors.UpstreamProtocolError),
    (RuntimeError("canary"), errors.UpstreamError),
    (asyncio.InvalidStateError("canary"), errors.UpstreamError),
]


@pytest.mark.parametrize(("error", "failure"), FAILURES)
def test_an_exception_before_the_answer(
    error: Exception, failure: type[errors.ServiceError]
) -> None:
    """An exception is mapped by its status, its connection or its type, never to a bug."""
    found = failure_of(error, sent=None, received=False)
    assert type(found) is failure
    assert "canary" not in repr(found)


@pytest.mark.parametrize(("error", "failure"), LATE)
def test_an_exception_in_the_answer(error: Exception, failure: type[errors.ServiceError]) -> None:
    """A connection that fails in the middle of an answer breaks it."""
    assert type(failure_of(error, sent=None, received=True)) is failure


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(by_httpx(429, retry_after="9.5"), 9.5), (BOTO, 7), (by_httpx(503), None)],
)
def test_a_wait_is_kept(error: Exception, seconds: float | None) -> None:
    """The wait in a response's headers is the caller's."""
    assert failure_of(error, sent=None, received=False).retry_after == seconds


def test_a_parameter_that_the_package_lacks() -> None:
    """An argument that a package does not know is named."""
    error = TypeError("AsyncClient.chat() got an unexpected keyword argument 'temperature'")
    found = failure_of(error, sent=None, received=False)
    assert isinstance(found, errors.UpstreamRejectedRequest)
    assert found.fields == ("params.temperature",)


STREAM_CUT: list[Piece] = [line(message={"role": "assistant", "content": "half"}), Reset()]
OTHERS: list[tuple[list[Piece], pb.Message, Got]] = [
    (
        OLLAMA.rejection("404 Not Found"),
        pb.Message(),
        Got("", "UPSTREAM_MODEL_NOT_FOUND", grpc.StatusCode.FAILED_PRECONDITION),
    ),
    (
        OLLAMA.rejection("500 Internal Server Error"),
        pb.Message(),
        Got("", "UPSTREAM_ERROR", grpc.StatusCode.UNAVAILABLE, requests=2),
    ),
    (
        OLLAMA.answer(*STREAM_CUT),
        pb.Message(),
        Got("half", "UPSTREAM_STREAM_BROKEN", grpc.StatusCode.ABORTED),
    ),
    (
        [],
        pb.Message(params=pb.Params(temperature=1)),
        Got("", "INVALID_PARAMETER", grpc.StatusCode.INVALID_ARGUMENT, requests=0),
    ),
]


async def test_a_package_with_its_own_client(subtests: pytest.Subtests) -> None:
    """A chat model that sends its requests itself fails by the same table."""
    async with raw_upstream() as upstream:
        loaded = config.load(
            base_url=upstream.base_url, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
        )
        chat_model = ChatOllama(model="m", base_url=upstream.base_url.removesuffix("/v1"))
        model = LangChainModel(chat_model, Timeouts(first_token=5, idle=5))
        async with App(loaded, model) as app, grpc.aio.insecure_channel(app.address) as channel:
            player = Player(upstream, chatgpt_pb2_grpc.ChatgptStub(channel), app.components.model)
            for pieces, message, expected in OTHERS:
                with subtests.test(expected=expected):
                    message.content = "hello"
                    assert await player.play(pieces, message) == expected
        await chat_model._async_client._client.aclose()
        chat_model._client._client.close()
