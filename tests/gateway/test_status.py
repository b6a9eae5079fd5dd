"""The status page: what a person and a script can read on the metrics port."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from support.app import MODEL, StartApp
from support.gateway import HELLO, gateway_world
from support.helpers import collect
from support.process import ServerProcess
from tokenwire.app import App
from tokenwire.observability.status import ProcessStatus
from tokenwire.observability.status.page import MAX_ROWS, render
from tokenwire_demo import DemoUpstream

MODELS: dict[str, Any] = {
    "fast": {"routes": ["one/first", "two/second"], "aliases": ["quick"]},
    "solo": {"routes": "one/first"},
}
SECRETS = ("sk-canary", "canary-header", "canary-token")


class Page(HTMLParser):
    """The text of a page, and all that it would load or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.loads: list[str] = []
        self._style = False
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        if tag in {"script", "link", "img", "iframe"} or any(name == "src" for name, _ in attrs):
            self.loads.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data


async def page_of(app: App, path: str = "/", token: str = "") -> httpx2.Response:
    """Return the response to a request for the status."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient() as client:
        return await client.get(f"http://{app.metrics_address}{path}", headers=headers)


async def status_of(app: App) -> ProcessStatus:
    """Return the status of a server."""
    response = await page_of(app, "/status.json")
    [status] = msgspec.json.decode(response.content, type=list[ProcessStatus])
    return status


async def test_the_page_tells_of_models_and_routes(tmp_path: Path) -> None:
    """It has each model with its routes, their states and results, and what is in flight."""
    async with gateway_world(tmp_path, MODELS, {"one": {"max_streams": 9}, "two": {}}) as world:
        await collect(world.stub.Send(HELLO))
        world.upstreams["one"].script("status 429 retry-after=30")
        await collect(world.stub.Send(HELLO))
        world.upstreams["two"].script("barrier going; answer")
        running = asyncio.ensure_future(collect(world.stub.Send(HELLO)))
        await world.upstreams["two"].barrier("going").reached()
        response = await page_of(world.app)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        page = Page(response.text)
        assert page.loads == []
        assert "tokenwire: serving" in page.text
        assert "fast served also quick" in page.text
        assert re.search(r"1\. one/first breaker open for \d+ s 1 answered 1 failed", page.text)
        assert "2. two/second breaker closed 1 answered 0 failed" in page.text
        assert "solo not served" in page.text
        assert "one 0 of 9 in flight" in page.text
        assert "two 1 in flight" in page.text
        assert "Answers1 of" in page.text
        world.upstreams["two"].barrier("going").release()
        await running


async def test_no_secret_is_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, headers, addresses of upstreams and the token of the page are nowhere in its bytes."""
    monkeypatch.setenv("CANARY_KEY", SECRETS[0])
    upstreams = {
        "one": {"keys": ["env:CANARY_KEY"], "headers": {"x-secret": SECRETS[1]}},
        "two": {},
    }
    async with gateway_world(tmp_path, MODELS, upstreams, status_token=SECRETS[2]) as world:
        await collect(world.stub.Send(HELLO))
        for path in ("/", "/status.json"):
            refused = await page_of(world.app, path)
            wrong = await page_of(world.app, path, "wrong")
            assert refused.status_code == wrong.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert "fast" not in refused.text
            response = await page_of(world.app, path, SECRETS[2])
            assert response.status_code == 200
            assert "fast" in response.text
            for secret in (*SECRETS, "canary", "CANARY", *_addresses(world.upstreams)):
                assert secret not in response.text
        assert (await page_of(world.app, "/metrics")).status_code == 200


def _addresses(upstreams: dict[str, DemoUpstream]) -> list[str]:
    return [upstream.base_url.split("/")[2] for upstream in upstreams.values()]


async def test_it_follows_a_reload(tmp_path: Path) -> None:
    """A new model is listed, and a file with a mistake is told."""
    async with gateway_world(tmp_path, MODELS, {"one": {}, "two": {}}) as world:
        assert (await status_of(world.app)).file_usable is True
        world.write({"new": {"routes": "two/b"}}, {"two": {}})
        await world.reloaded()
        world.path.write_text("models: {}")
        await world.reloaded()

        def is_told(status: ProcessStatus) -> bool:
            return [model.name for model in status.models] == ["new"] and not status.file_usable

        # All requests of a second share one status.
        while not is_told(await status_of(world.app)):  # noqa: ASYNC110 - the page has to be polled
            await asyncio.sleep(0.1)
        assert "the previous content is in use" in Page((await page_of(world.app)).text).text


async def test_without_a_file(start_app: StartApp) -> None:
    """A server with one upstream lists its models, without routes."""
    app = await start_app(models="other")
    status = await status_of(app)
    assert [model.name for model in status.models] == sorted([MODEL, "other"])
    assert (status.file_usable, status.upstreams, status.worker) == (None, [], None)
    text = Page((await page_of(app)).text).text
    assert "Upstreams" not in text
    assert "Gateway file" not in text


@pytest.mark.slow
async def test_workers_are_shown_one_by_one(upstream: DemoUpstream) -> None:
    """With several workers, the page has each of them, also behind the token."""
    env = {"OPENAI_BASE_URL": upstream.base_url, "TOKENWIRE_STATUS_TOKEN": "token"}
    async with (
        ServerProcess("--workers", "2", env=env) as server,
        httpx2.AsyncClient(base_url=f"http://{server.metrics_address}") as client,
    ):
        assert (await client.get("/")).status_code == 401
        response = await client.get("/", headers={"authorization": "Bearer token"})
        text = Page(response.text).text
        assert "tokenwire, worker 0: serving" in text
        assert "tokenwire, worker 1: serving" in text


def test_names_are_text() -> None:
    """Names with the characters of HTML are shown as they are, and long lists are cut."""
    name = "<b>&\"'"
    models = [
        {"name": f"{name}{number}", "aliases": [name], "serving": True, "routes": []}
        for number in range(MAX_ROWS + 5)
    ]
    status = {
        "version": "1",
        "worker": None,
        "uptime_seconds": 93_784.0,
        "state": "serving",
        "streams": 0,
        "max_streams": 1,
        "queued": 2,
        "file_usable": True,
        "models": models,
        "upstreams": [],
        "limit_store": None,
        "callers": [],
    }
    html = render([msgspec.convert(status, ProcessStatus)])
    page = Page(html)
    assert "<b>" not in html
    assert f"{name}{MAX_ROWS - 1} served also {name}" in page.text
    assert f"{name}{MAX_ROWS} " not in page.text
    assert "and 5 more" in page.text
    assert "1 d 2 h" in page.text
    assert "0 of 1, 2 waiting" in page.text


def test_nobody_answers() -> None:
    """Without a worker that answers, the page says so."""
    assert "No worker answers." in Page(render([])).text
