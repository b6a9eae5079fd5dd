"""A failed call of ChatTokenwire raises a ChatError that is LangChain's exception too."""

import pickle
from typing import Any

import grpc
import pytest
from langchain_core import exceptions as langchain

from support.chat_model import chat_model, in_thread
from support.ports import free_port
from support.scripted_server import (
    REQUEST_ID,
    ScriptedServer,
    bad_field,
    fails,
    hangs_after,
    reason,
    retry_after,
    says,
)
from tokenwire_client import ChatError
from tokenwire_client.langchain import ChatTokenwire, TokenwireInvalidRequestError

CODE = grpc.StatusCode
ERRORS: list[tuple[grpc.StatusCode, str, float | None, type[Exception], bool]] = [
    (CODE.UNAUTHENTICATED, "CREDENTIALS_INVALID", None, langchain.ModelAuthenticationError, False),
    (
        CODE.PERMISSION_DENIED,
        "MODEL_NOT_ALLOWED",
        None,
        langchain.ModelPermissionDeniedError,
        False,
    ),
    (CODE.INVALID_ARGUMENT, "INVALID_PARAMETER", None, langchain.ModelInvalidRequestError, False),
    (CODE.INVALID_ARGUMENT, "PROMPT_TOO_LONG", None, langchain.ContextOverflowError, False),
    (CODE.INVALID_ARGUMENT, "UNKNOWN_MODEL", None, langchain.ModelNotFoundError, False),
    (CODE.FAILED_PRECONDITION, "CONTENT_FILTERED", None, langchain.ModelInvalidRequestError, False),
    (CODE.RESOURCE_EXHAUSTED, "SERVER_OVERLOADED", 1.0, langchain.ModelRateLimitError, True),
    (
        CODE.RESOURCE_EXHAUSTED,
        "CALLER_BUDGET_EXHAUSTED",
        None,
        langchain.ModelRateLimitError,
        False,
    ),
    (CODE.DEADLINE_EXCEEDED, "", None, langchain.ModelTimeoutError, True),
    (CODE.UNAVAILABLE, "UPSTREAM_ERROR", None, langchain.ModelAPIError, True),
    (CODE.UNAVAILABLE, "", None, langchain.ModelConnectionError, True),
    (CODE.ABORTED, "UPSTREAM_STREAM_BROKEN", None, langchain.ModelAPIError, False),
    (CODE.INTERNAL, "INTERNAL", None, langchain.ModelAPIError, False),
]


@pytest.mark.parametrize(
    ("code", "name", "wait", "kind", "retryable"),
    ERRORS,
    ids=[f"{row[0].name}-{row[1]}" for row in ERRORS],
)
async def test_each_failure(
    code: grpc.StatusCode, name: str, wait: float | None, kind: type[Any], *, retryable: bool
) -> None:
    """Each code and reason is LangChain's exception of the condition, retryable if it helps."""
    details = [reason(name)] if name else []
    details += [retry_after(int(wait))] if wait else []  # type: ignore[list-item]
    async with (
        ScriptedServer(fails(code, "no", *details)) as server,
        chat_model(server.address, max_retries=0) as model,
    ):
        with pytest.raises(kind) as caught:
            await model.ainvoke("hi")
        with pytest.raises(kind):
            await in_thread(lambda: model.invoke("hi"))
        with pytest.raises(kind):
            [_ async for _ in model.astream("hi")]
        with pytest.raises(kind):
            await in_thread(lambda: list(model.stream("hi")))
    error = caught.value
    assert isinstance(error, ChatError)
    assert (error.code, error.reason, error.request_id) == (code, name, REQUEST_ID)
    assert getattr(error, "is_retryable", None) is retryable
    assert type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301


async def test_what_is_wrong_is_named() -> None:
    """The exception of an invalid request has the fields, and its text names them."""
    script = fails(
        CODE.INVALID_ARGUMENT,
        "out of range",
        reason("INVALID_PARAMETER"),
        bad_field("params.top_p", "must be at most 1"),
    )
    async with ScriptedServer(script) as server, chat_model(server.address) as model:
        with pytest.raises(TokenwireInvalidRequestError, match=r"params\.top_p: must be at most 1"):
            await model.ainvoke("hi", top_p=2)


async def test_no_server() -> None:
    """Without a server, it is a connection error."""
    async with chat_model(f"127.0.0.1:{free_port()}", max_retries=0) as model:
        with pytest.raises(langchain.ModelConnectionError):
            await model.ainvoke("hi")


async def test_a_fallback_takes_over() -> None:
    """`with_fallbacks` on LangChain's exception asks the next model."""
    script = fails(CODE.RESOURCE_EXHAUSTED, "full", reason("SERVER_OVERLOADED"))
    async with (
        ScriptedServer(script) as full,
        ScriptedServer(says("b")) as other,
        chat_model(full.address) as first,
        chat_model(other.address) as second,
    ):
        both = first.with_fallbacks([second], exceptions_to_handle=(langchain.ModelRateLimitError,))
        assert (await both.ainvoke("hi")).text == "b"


async def test_a_closed_model_ends_its_streams() -> None:
    """If its connections are closed, a stream ends with ChatError CANCELLED."""
    async with ScriptedServer(hangs_after("a")) as server:
        model = ChatTokenwire(target=server.address)
        stream = model.astream("hi")
        await anext(stream)
        await model.aclose()
        with pytest.raises(ChatError) as caught:
            await anext(stream)
    assert caught.value.code is CODE.CANCELLED
