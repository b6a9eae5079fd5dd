"""The status page in a real browser."""

from html import escape
from pathlib import Path

import httpx2
import pytest

from support.chromium import dom_of, screenshot
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect
from support.limits import bearer, callers
from support.programs import ROOT

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

PICTURE = ROOT / "docs" / "images" / "status.png"
MODELS = {
    "fast": {
        "routes": ["gpu/Qwen/Qwen3-8B", "openai/gpt-5-mini"],
        "aliases": ["gpt-4o-mini", "grok-4"],
    },
    "smart": {
        "routes": [
            [{"to": "openai/gpt-5", "weight": 3}, {"to": "gpu/Qwen/Qwen3-235B-A22B-Instruct-2507"}],
            "claude/claude-sonnet-5",
        ]
    },
}
UPSTREAMS = {"openai": {}, "gpu": {"max_streams": 200}, "claude": {}}
BEFORE_REFRESH = 1_000
"""Milliseconds. In virtual time, the refresh of the page would come at once, again and again."""
HARNESS = """<!DOCTYPE html>
<body style="margin: 0">
<iframe width="{width}" height="2000" style="border: 0" srcdoc="{page}" onload="
  const root = this.contentDocument.documentElement;
  document.body.dataset.width = root.clientWidth;
  document.body.dataset.overflow = root.scrollWidth - root.clientWidth;
"></iframe>
"""
"""Shows a page in a frame, because Chromium's windows are 500 pixels wide or more."""


async def busy(world: GatewayWorld) -> None:
    """Let one route answer, and another one fail so that its breaker opens."""
    for _ in range(12):
        await collect(world.stub.Send(HELLO, metadata=bearer()))
    world.upstreams["gpu"].script("status 429 retry-after=45")
    for _ in range(5):
        await collect(world.stub.Send(HELLO, metadata=bearer()))


@pytest.mark.parametrize("width", [400, 1240])
async def test_it_fits_a_phone_and_a_screen(width: int, tmp_path: Path) -> None:
    """At 400 pixels and at 1240, nothing is wider than the page, which has something to see."""
    known = callers(streams=50, requests=["17/h", "1000000000/month"], tokens="200000000000/d")
    async with gateway_world(tmp_path, MODELS, UPSTREAMS, callers=known) as world:
        await busy(world)
        url = f"http://{world.app.metrics_address}/"
        picture = tmp_path / "status.png"
        await screenshot(url, picture, BEFORE_REFRESH, width=max(width, 500), height=900)
        # An empty page has 3 kB.
        assert picture.stat().st_size > 15_000
        async with httpx2.AsyncClient() as client:
            text = (await client.get(url)).text
        assert "17 of 17" in text
        page = escape(text)
        harness = tmp_path / "harness.html"
        harness.write_text(HARNESS.format(width=width, page=page))
        await screenshot(harness.as_uri(), tmp_path / "framed.png", BEFORE_REFRESH, width=width)
        dom = await dom_of(harness.as_uri(), BEFORE_REFRESH, width=width)
        assert f'data-width="{width}"' in dom
        assert 'data-overflow="0"' in dom


def test_the_document_shows_it() -> None:
    """docs/gateway.md shows the picture of the page."""
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
    assert "images/status.png" in (ROOT / "docs" / "gateway.md").read_text("utf-8")
