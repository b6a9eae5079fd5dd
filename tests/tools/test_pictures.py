"""The drawn dashboards in a real browser."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from support.chromium import dom_of
from support.programs import ROOT

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

PICTURES = sorted((ROOT / "docs" / "images").glob("dashboard-*.svg"))
HAIR = 1.5
"""The pixels by which a browser's fonts may be larger."""

PAGE = """\
<!DOCTYPE html>
<meta charset="utf-8">
<body style="margin: 0; width: 1152px">%s</body>
<pre id="found"></pre>
<script>
const box = (element) => {
  const {left, right, top, bottom} = element.getBoundingClientRect();
  return {left, right, top, bottom, text: element.textContent};
};
const panels = [...document.querySelectorAll("svg > g")].map((group) => ({
  panel: box(group.querySelector("rect")),
  texts: [...group.querySelectorAll("text")].map(box),
}));
document.querySelector("#found").textContent = JSON.stringify(panels);
</script>
"""


def page_with(picture: Path, folder: Path) -> str:
    """Write a page that measures a picture, and return its address."""
    page = folder / "page.html"
    page.write_text(PAGE % picture.read_text("utf-8"), "utf-8")
    return page.as_uri()


async def measured(picture: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the position of each panel and of its texts, as Chromium draws them."""
    page = await dom_of(page_with(picture, folder))
    [found] = re.findall(r'<pre id="found">(.*?)</pre>', page, re.DOTALL)
    panels: list[dict[str, Any]] = json.loads(unescape(found))
    return panels


def apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two texts do not overlap; adjacent lines of text may touch."""
    beside = one["right"] <= other["left"] + HAIR or other["right"] <= one["left"] + HAIR
    height = min(one["bottom"] - one["top"], other["bottom"] - other["top"])
    middles = (one["bottom"] + one["top"]) / 2, (other["bottom"] + other["top"]) / 2
    return bool(beside or abs(middles[0] - middles[1]) >= height * 0.7)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
async def test_every_text_has_its_place(picture: Path, tmp_path: Path) -> None:
    """No title, label or legend exceeds its panel or overlaps another text of the panel."""
    panels = await measured(picture, tmp_path)
    assert len(panels) > 8
    for each in panels:
        panel, texts = each["panel"], each["texts"]
        for number, text in enumerate(texts):
            assert text["left"] >= panel["left"] - HAIR, text
            assert text["right"] <= panel["right"] + HAIR, text
            assert text["top"] >= panel["top"] - HAIR, text
            assert text["bottom"] <= panel["bottom"] + HAIR, text
            assert all(apart(text, other) for other in texts[:number]), text


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
async def test_every_graph_has_a_time_axis(picture: Path, tmp_path: Path) -> None:
    """Each graph has a time axis with at least three round times."""
    graphs = 0
    for each in await measured(picture, tmp_path):
        texts = [text["text"] for text in each["texts"]]
        times = [text for text in texts if re.fullmatch(r"\d\d:\d\d(:[0-5][05])?", text)]
        if "0" in texts or "$0" in texts:
            graphs += 1
            assert len(times) >= 3, texts
    assert graphs > 8
