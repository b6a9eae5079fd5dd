"""Rows 8 to 16: the upstream responds with an error status."""

import grpc
import pytest

from support.clients import ATTEMPTS, attempts
from support.helpers import text_of
from support.world import World, open_world, save_up
from tokenwire_demo import DemoUpstream

FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
INTERNAL = grpc.StatusCode.INTERNAL
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

BODY = "message=canary-body"


async def fails_once(
    world: World, plan: str, code: grpc.StatusCode, reason: str
) -> grpc.aio.AioRpcError:
    """Check that the call fails as given, without a token or a retry; return the error."""
    before = world.upstream.requests_seen
    answers, error = await world.fails(plan, code, reason)
    assert answers == []
    assert world.upstream.requests_seen == before + 1
    return error


async def is_repeated(world: World, plan: str) -> None:
    """Check that the call succeeds after one retry."""
    before = world.upstream.requests_seen
    world.upstream.script(plan)
    answers = await world.succeeds("text cured; answer")
    assert text_of(answers).startswith("cured")
    assert world.upstream.requests_seen == before + 2


@pytest.mark.parametrize("status", ["400 code=context_length_exceeded", "413", "413 body=html"])
async def test_row_8_prompt_too_long(saved_up: World, status: str) -> None:
    """A prompt over the model's context is PROMPT_TOO_LONG, and is not retried."""
    await fails_once(saved_up, f"status {status} {BODY}", INVALID_ARGUMENT, "PROMPT_TOO_LONG")


@pytest.mark.parametrize("code", ["content_policy_violation", "content_filter"])
async def test_row_9_prompt_rejected(saved_up: World, code: str) -> None:
    """A prompt against the upstream's policy is PROMPT_REJECTED, and is not retried."""
    plan = f"status 400 code={code} {BODY}"
    await fails_once(saved_up, plan, INVALID_ARGUMENT, "PROMPT_REJECTED")


@pytest.mark.parametrize(
    "status", ["400", "400 code=unknown_parameter", "400 body=html", "400 body=empty", "422"]
)
async def test_row_10_rejected_request(saved_up: World, status: str) -> None:
    """Any other 400, and 422, is UPSTREAM_REJECTED_REQUEST, and is not retried."""
    plan = f"status {status} {BODY}"
    await fails_once(saved_up, plan, INTERNAL, "UPSTREAM_REJECTED_REQUEST")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_row_10_redirect(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """A redirect is not followed: its target gets no request, and no connection."""
    async with DemoUpstream() as target, open_world(monkeypatch) as world:
        url = target.base_url.replace("/v1", "/canary-elsewhere/v1")
        plan = f"redirect {url}/chat/completions {status}"
        await save_up(world)
        await fails_once(world, plan, INTERNAL, "UPSTREAM_REJECTED_REQUEST")
        assert target.requests_seen == 0
        assert target.connections == []


@pytest.mark.parametrize("url", ["/elsewhere", "http://[::1", "http://host:99999/", "//"])
async def test_row_10_redirect_within_the_upstream(world: World, url: str) -> None:
    """A redirect to the same host, or with an invalid URL, is not followed either."""
    await fails_once(world, f"redirect {url}", INTERNAL, "UPSTREAM_REJECTED_REQUEST")
    assert len({request.path for request in world.upstream.requests}) == 1


@pytest.mark.parametrize("status", ["401", "403", "403 body=html"])
async def test_row_11_authentication(saved_up: World, status: str) -> None:
    """Rejected credentials are UPSTREAM_AUTH_REJECTED, never UNAUTHENTICATED."""
    plan = f"status {status} {BODY}"
    await fails_once(saved_up, plan, FAILED_PRECONDITION, "UPSTREAM_AUTH_REJECTED")


@pytest.mark.parametrize("status", ["404", "404 body=html"])
async def test_row_12_model_not_found(saved_up: World, status: str) -> None:
    """A model that the upstream does not know is UPSTREAM_MODEL_NOT_FOUND."""
    plan = f"status {status} {BODY}"
    await fails_once(saved_up, plan, FAILED_PRECONDITION, "UPSTREAM_MODEL_NOT_FOUND")


@pytest.mark.parametrize("status", ["408", "504", "504 body=html"])
async def test_row_13_timeout(saved_up: World, status: str) -> None:
    """A timeout at the upstream is UPSTREAM_TIMEOUT, and is not retried."""
    await fails_once(saved_up, f"status {status} {BODY}", UNAVAILABLE, "UPSTREAM_TIMEOUT")


async def test_row_13_conflict(world: World) -> None:
    """409 is UPSTREAM_CONFLICT."""
    await fails_once(world, f"status 409 {BODY}", UNAVAILABLE, "UPSTREAM_CONFLICT")


async def test_row_13_conflict_is_repeated(saved_up: World) -> None:
    """A conflict is retried once."""
    await is_repeated(saved_up, f"status 409 {BODY}")


@pytest.mark.parametrize("status", ["408", "409", "500"])
async def test_rows_13_and_16_leave_no_headers(world: World, status: str) -> None:
    """UNAVAILABLE is Trailers-Only, so the caller's own retry policy applies."""
    assert await attempts(world, f"status {status}", UNAVAILABLE) == ATTEMPTS


async def test_row_15_quota(saved_up: World) -> None:
    """An exhausted quota is not retried, and its pushback stops the caller's retries."""
    plan = f"status 429 code=insufficient_quota retry-after=1 {BODY}"
    error = await fails_once(saved_up, plan, RESOURCE_EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED")
    assert ("grpc-retry-pushback-ms", "-1") in tuple(error.trailing_metadata() or ())


async def test_row_15_quota_stops_the_callers_retries(world: World) -> None:
    """A caller that retries RESOURCE_EXHAUSTED does not retry an exhausted quota."""
    quota = "status 429 error-type=insufficient_quota"
    assert await attempts(world, quota, RESOURCE_EXHAUSTED) == 1


@pytest.mark.parametrize(
    "status",
    [
        *("500", "502", "503", "529", "500 body=empty", "502 body=html"),
        *("425", "498", "520", "522", "525", "530"),
    ],
)
async def test_row_16_server_error(world: World, status: str) -> None:
    """An error of the upstream is UNAVAILABLE, whatever its body contains."""
    await fails_once(world, f"status {status} {BODY}", UNAVAILABLE, "UPSTREAM_ERROR")


@pytest.mark.parametrize("content_type", ["text/html", "Text/HTML;charset=utf-8", "text/html "])
async def test_row_16_html_page(world: World, content_type: str) -> None:
    """An HTML page instead of an answer is UPSTREAM_ERROR."""
    plan = f'status 200 body=html content-type="{content_type}" {BODY}'
    await fails_once(world, plan, UNAVAILABLE, "UPSTREAM_ERROR")


@pytest.mark.parametrize(
    "status", ["500", "503 retry-after=0", "529", "200 body=html", "425", "498", "523"]
)
async def test_row_16_is_repeated(saved_up: World, status: str) -> None:
    """An error of the upstream is retried once."""
    await is_repeated(saved_up, f"status {status} {BODY}")


async def test_row_16_is_repeated_once(saved_up: World) -> None:
    """A call is retried only once."""
    before = saved_up.upstream.requests_seen
    await saved_up.fails(f"status 500 {BODY}", UNAVAILABLE, "UPSTREAM_ERROR")
    assert saved_up.upstream.requests_seen == before + 2
