"""The example for browsers: a page in Chromium calls a server through Envoy by gRPC-Web."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from support.chromium import opened
from support.envoy import envoy
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect, text_of
from support.limits import KEY, bearer, callers
from support.programs import ROOT

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]

EXAMPLE = ROOT / "examples" / "browser"
MODELS = {"fast": {"routes": ["gpu/demo-model"]}}
UPSTREAMS: dict[str, dict[str, Any]] = {"gpu": {}}
DRIVER = """
const report = () => fetch('/report', {
  method: 'POST',
  body: JSON.stringify({
    answer: document.querySelector('#answer').textContent,
    ending: document.querySelector('#ending').textContent,
  }),
});
new MutationObserver(report).observe(document.body, {childList: true, subtree: true});
const fields = await (await fetch('/fields')).json();
for (const [name, value] of Object.entries(fields)) {
  document.querySelector(`[name=${name}]`).value = value;
}
document.querySelector('button').click();
"""
"""Fills in the form of the page, and reports what the page shows whenever that changes."""


@dataclass(frozen=True)
class Site:
    """The server of the page.

    Attributes:
        origin: Its origin.
        fields: What the form is filled in with.
        shown: What the page has shown, in order: the texts of `answer` and `ending`.
    """

    origin: str
    fields: dict[str, str]
    shown: "asyncio.Queue[dict[str, str]]"

    async def until(self, enough: Callable[[dict[str, str]], object]) -> dict[str, str]:
        """Wait until the page shows what is enough, and return that."""
        async with asyncio.timeout(60):
            while not enough(seen := await self.shown.get()):
                pass
        return seen


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built page."""
    root = tmp_path_factory.mktemp("browser")
    folder = root / "examples" / "browser"
    shutil.copytree(ROOT / "proto", root / "proto")
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    (folder / "node_modules").symlink_to(EXAMPLE / "node_modules")
    subprocess.run(["npm", "run", "build"], cwd=folder, check=True, timeout=120)
    return folder


@asynccontextmanager
async def site(page: Path, **fields: str) -> AsyncIterator[Site]:
    """Serve the page, with a script that fills it in."""
    shown: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def html(_: web.Request) -> web.Response:
        text = (page / "index.html").read_text("utf-8")
        driver = f'<script type="module">{DRIVER}</script></html>'
        return web.Response(text=text.replace("</html>", driver), content_type="text/html")

    async def answer_fields(_: web.Request) -> web.Response:
        return web.json_response(running.fields)

    async def report(request: web.Request) -> web.Response:
        shown.put_nowait(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_get("/", html)
    app.router.add_get("/fields", answer_fields)
    app.router.add_post("/report", report)
    app.router.add_static("/build", page / "build")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    running = Site(f"http://127.0.0.1:{port}", fields, shown)
    try:
        yield running
    finally:
        await runner.cleanup()


@asynccontextmanager
async def browsed(
    page: Path, folder: Path, plan: str, *, key: str = KEY, allowed: str | None = None
) -> AsyncIterator[tuple[GatewayWorld, Site]]:
    """Serve the page, which sends a text once it is opened; the model follows the plan.

    Args:
        page: The folder of the page.
        folder: A folder for files.
        plan: The plan of the model.
        key: The key in the form.
        allowed: The origin that Envoy allows; None for that of the page.
    """
    async with (
        gateway_world(folder, MODELS, UPSTREAMS, callers=callers()) as world,
        site(page, key=key, text=HELLO.content) as shown,
    ):
        cors = {"allow_origin_string_match": [{"exact": allowed or shown.origin}]}
        async with envoy(folder, world.app.address, cors=cors) as proxy:
            shown.fields["address"] = f"http://{proxy.address}"
            if plan:
                world.upstreams["gpu"].script(plan, plan)
            yield world, shown


async def test_a_page_shows_an_answer_token_by_token(page: Path, tmp_path: Path) -> None:
    """The first token is shown before the model goes on, and at the end the whole answer."""
    async with (
        browsed(page, tmp_path, "tokens 1; barrier first; answer") as (world, shown),
        opened(shown.origin),
    ):
        first = await shown.until(lambda seen: seen["answer"])
        assert not first["ending"]
        world.upstreams["gpu"].barrier("first").release()
        whole = await shown.until(lambda seen: seen["ending"])
        expected = await collect(world.stub.Send(HELLO, metadata=bearer()))
        assert whole["answer"] == text_of(expected)
        assert len(first["answer"]) < len(whole["answer"])
        assert whole["ending"] == f"{expected[-1].usage.output_tokens} tokens from demo-model"


@pytest.mark.parametrize(
    ("plan", "key", "beginning", "end"),
    [
        (
            "status 429 retry-after=7",
            KEY,
            "ResourceExhausted (UPSTREAM_RATE_LIMITED): The upstream limits the rate of requests. ",
            " Try again in 7 s.",
        ),
        (
            "tokens 2; reset",
            KEY,
            "Aborted (UPSTREAM_STREAM_BROKEN): The connection to the upstream broke. ",
            ".",
        ),
        ("", "tw_nobody_1", "Unauthenticated (CREDENTIALS_INVALID): The call has no ", "."),
    ],
    ids=["before the first token", "after it", "without a valid key"],
)
async def test_a_page_shows_why_a_call_failed(  # noqa: PLR0913, PLR0917 - a failure by its parts
    page: Path, tmp_path: Path, plan: str, key: str, beginning: str, end: str
) -> None:
    """The page reads the code, the text and the details of a failure."""
    async with browsed(page, tmp_path, plan, key=key) as (_, shown), opened(shown.origin):
        seen = await shown.until(lambda seen: seen["ending"])
        assert seen["ending"].startswith(beginning)
        assert seen["ending"].endswith(end)
        assert bool(seen["answer"]) is ("tokens" in plan)


async def test_leaving_the_page_ends_the_call(page: Path, tmp_path: Path) -> None:
    """When the browser ends, so does the request to the model."""
    async with browsed(page, tmp_path, "tokens 1; stall") as (world, shown):
        async with opened(shown.origin):
            await shown.until(lambda seen: seen["answer"])
        await world.upstreams["gpu"].wait_until_idle()


async def test_a_page_of_another_origin_is_rejected(page: Path, tmp_path: Path) -> None:
    """A page whose origin Envoy does not allow cannot call."""
    async with (
        browsed(page, tmp_path, "", allowed="https://app.example.com") as (world, shown),
        opened(shown.origin),
    ):
        seen = await shown.until(lambda seen: seen["ending"])
        assert "Failed to fetch" in seen["ending"]
        assert world.seen() == {"gpu": 0}
