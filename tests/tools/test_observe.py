"""`make observe`, from the user's perspective."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from panel_queries import panel_queries
from support.chromium import dom_of, screenshot
from support.programs import ROOT, started

pytestmark = [pytest.mark.tools, pytest.mark.timeout(240)]

NO_DATA = "No data"
PANEL_TYPES = {
    query.title: query.panel["type"] for query in panel_queries() if query.dashboard == "overview"
}


class Panels(HTMLParser):
    """Extracts the panels and links of a page.

    Attributes:
        shown: The texts and the number of lines of each panel, by title.
        links: All addresses that the page links to.
        loads: All addresses that the page would load resources from.
        drawings: How many times the page was drawn.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown: dict[str, tuple[list[str], int]] = {}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.drawings = 0
        self._texts: list[str] | None = None
        self._lines = 0
        self._in_text = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "main":
            self.drawings = int(values["data-drawings"] or 0)
        elif tag == "a":
            self.links.append(values["href"] or "")
        elif "src" in values or tag == "link":
            self.loads.append(values.get("src") or values.get("href") or "")
        elif tag == "g":
            self._texts, self._lines = [], 0
        elif tag == "polyline":
            self._lines += len((values["points"] or "").split()) > 1
        elif tag == "text":
            self._in_text = True

    def handle_data(self, data: str) -> None:
        if self._in_text and self._texts is not None:
            self._texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "text":
            self._in_text = False
        elif tag == "g" and self._texts:
            title, *texts = self._texts
            self.shown[title] = texts, self._lines
            self._texts = None


@dataclass(frozen=True)
class Observing:
    """A running `make observe`.

    Attributes:
        process: Its process.
        told: Its output up to the end of its instructions.
        log: The task that reads its stderr.
    """

    process: asyncio.subprocess.Process
    told: str
    log: asyncio.Task[bytes]

    @property
    def page(self) -> str:
        """The address of the page with the dashboards."""
        [url] = re.findall(r"dashboards: (http://127\.0\.0\.1:\d+/)", self.told)
        return str(url)


@asynccontextmanager
async def observing() -> AsyncIterator[Observing]:
    """Run the program; the context starts when it has printed its instructions."""
    async with started(sys.executable, ROOT / "tools" / "observe.py") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        log = asyncio.create_task(process.stderr.read())
        told = ""
        while "Ctrl-C ends everything." not in told:
            line = await process.stdout.readline()
            assert line, told
            told += line.decode()
        yield Observing(process, told, log)


def is_complete(shown: dict[str, tuple[list[str], int]]) -> bool:
    """Return whether each panel of the overview has its figure, or a line of two or more points."""
    return shown.keys() == PANEL_TYPES.keys() and all(
        NO_DATA not in texts and (lines or PANEL_TYPES[title] == "stat")
        for title, (texts, lines) in shown.items()
    )


async def until_drawn(page: str) -> None:
    """Wait until all panels of the overview have data."""
    async with asyncio.timeout(120), httpx2.AsyncClient(base_url=page, timeout=30) as client:
        while not is_complete(Panels((await client.get("drawings/overview")).text).shown):  # noqa: ASYNC110 - the page has to be polled
            await asyncio.sleep(1)


async def test_a_browser_shows_the_overview_live(tmp_path: Path) -> None:
    """In Chromium, every panel has data and times and is redrawn, and nothing else is loaded."""
    async with observing() as running:
        await until_drawn(running.page)
        page = Panels(await dom_of(running.page))
        picture = tmp_path / "page.png"
        await screenshot(running.page, picture)
        assert set(page.shown) == set(PANEL_TYPES)
        for title, (texts, lines) in page.shown.items():
            assert NO_DATA not in texts
            if PANEL_TYPES[title] == "stat":
                assert re.match(r"\$?\d", "".join(texts)), title
            else:
                assert lines, title
                times = [text for text in texts if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text)]
                assert len(times) > 1, title
        assert page.drawings > 2
        assert page.loads == []
        # An empty page of this size has a tenth of the bytes.
        assert picture.stat().st_size > 50_000


async def test_every_link_works() -> None:
    """All linked and printed addresses return 200, and an unknown path returns 404."""
    async with (
        observing() as running,
        httpx2.AsyncClient(base_url=running.page, timeout=30) as client,
    ):
        links = {running.page, *re.findall(r"http://\S+/metrics", running.told)}
        for name in ("", "model", "process", "routes", "callers"):
            response = await client.get(name)
            assert response.status_code == 200
            links.update(Panels(response.text).links)
        assert len(links) > 50
        for link in links:
            response = await client.get(link)
            assert response.status_code == 200, link
            assert response.content
        assert (await client.get("elsewhere")).status_code == 404


async def test_ctrl_c_ends_all_of_it() -> None:
    """Ctrl-C ends the page, the service and Prometheus, with exit code 0."""
    async with observing() as running:
        addresses = [running.page, *re.findall(r"Prometheus: (\S+)", running.told)]
        assert len(addresses) == 2
        running.process.send_signal(signal.SIGINT)
        assert await running.process.wait() == 0
        assert b"Traceback" not in await running.log
        async with httpx2.AsyncClient() as client:
            for address in addresses:
                with pytest.raises(httpx2.ConnectError):
                    await client.get(address)


async def test_many_browsers_make_one_drawing() -> None:
    """Concurrent requests for a drawing are answered with the same drawing."""
    async with observing() as running:
        async with httpx2.AsyncClient(base_url=running.page, timeout=30) as client:
            drawings = await asyncio.gather(*(client.get("drawings/overview") for _ in range(20)))
        assert len({drawing.text for drawing in drawings}) == 1
