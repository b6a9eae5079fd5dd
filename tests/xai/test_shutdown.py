"""What callers of xAI's API notice of a shutdown."""

import asyncio

from support.helpers import pushback_of, reason_of
from support.unary import error_of
from support.xai import XaiStubs, asked
from tokenwire.app import App
from tokenwire_demo import DemoUpstream


async def test_a_shutdown_may_be_retried_elsewhere(xai_app: App, xai: XaiStubs) -> None:
    """A call that a stopping server rejects has no trailer against a retry."""
    xai_app.components.outcome.end_all()
    error = await error_of(xai.chat.GetCompletion(asked()))
    assert reason_of(error) == "SERVER_SHUTTING_DOWN"
    assert pushback_of(error) is None


async def test_the_end_reaches_a_caller_during_a_shutdown(
    xai_app: App, xai: XaiStubs, upstream: DemoUpstream
) -> None:
    """An answer that runs while the server drains has its finish reason and its usage."""
    upstream.script("barrier going; answer")
    call = asyncio.create_task(xai.stream(asked()))
    await upstream.barrier("going").reached()
    draining = asyncio.create_task(xai_app.drain())
    upstream.barrier("going").release()
    *_, finish, last = await call
    assert finish.outputs[0].finish_reason
    assert last.usage.total_tokens
    await draining
