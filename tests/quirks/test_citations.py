"""Citations are read in each form in which upstreams send them, and cost no answer."""

import pytest

from support.quirks import (
    DONE,
    STOP,
    Got,
    choice,
    delta,
    event,
    finish,
    player,
    response,
    text,
)
from tokenwire.v1 import chatgpt_pb2 as pb

URL = "https://example.com/a"


def annotated(*annotations: object) -> bytes:
    """Return a chunk with these annotations and no text."""
    return delta(annotations=list(annotations))


def cited(url: object, **fields: object) -> dict[str, object]:
    """Return an annotation in the form of chat completions."""
    return {"type": "url_citation", "url_citation": {"url": url, **fields}}


CITATIONS: dict[str, tuple[list[bytes], list[pb.Citation]]] = {
    "annotations": (
        [
            text("x"),
            annotated(cited(URL, title="A", start_index=0, end_index=4)),
            annotated(cited("https://example.com/b", title=None)),
            STOP,
        ],
        [
            pb.Citation(url=URL, title="A", start=0, end=4),
            pb.Citation(url="https://example.com/b"),
        ],
    ),
    "flat annotations": (
        [text("x"), annotated({"type": "url_citation", "url": URL, "title": "A"}), STOP],
        [pb.Citation(url=URL, title="A")],
    ),
    "with the whole message": (
        [
            choice(
                message={"content": "x", "annotations": [cited(URL)]},
                finish_reason="stop",
            ),
            DONE,
        ],
        [pb.Citation(url=URL)],
    ),
    "beside content parts": (
        [delta(content=[{"type": "text", "text": "x"}], annotations=[cited(URL)]), STOP],
        [pb.Citation(url=URL)],
    ),
    "lists in every chunk": (
        [
            event(
                {
                    "choices": [{"delta": {"content": "x"}}],
                    "citations": [URL, "https://example.com/b"],
                    "search_results": [{"title": "A", "url": URL, "date": "2026-01-01"}],
                }
            ),
            event({"choices": [], "citations": [URL, "https://example.com/b"]}),
            STOP,
        ],
        [pb.Citation(url=URL, title="A"), pb.Citation(url="https://example.com/b")],
    ),
    "a list in the last chunk": (
        [text("x"), finish("stop"), event({"choices": [], "citations": [URL]}), DONE],
        [pb.Citation(url=URL)],
    ),
    "what makes no sense": (
        [
            delta(content="x", annotations=None),
            delta(annotations="none"),
            annotated(7, None, {"type": "file"}, cited(""), cited(3), cited("x" * 9_000)),
            annotated(cited(URL, title=["A"], start_index=9, end_index="12")),
            event({"choices": [], "citations": {"a": 1}, "search_results": "none"}),
            STOP,
        ],
        [pb.Citation(url=URL)],
    ),
    "a long title": (
        [text("x"), annotated(cited(URL, title="A" * 2_000)), STOP],
        [pb.Citation(url=URL, title="A" * 1_000)],
    ),
    "too many": (
        [text("x"), *[annotated(cited(f"{URL}/{n}")) for n in range(300)], STOP],
        [pb.Citation(url=f"{URL}/{n}") for n in range(256)],
    ),
}


async def test_citations_are_read(subtests: pytest.Subtests) -> None:
    """The last Answer has the sources, up to 256; anything else in their place is ignored."""
    async with player() as upstream:
        for name, (pieces, citations) in CITATIONS.items():
            with subtests.test(case=name):
                assert await upstream.play(response(*pieces)) == Got("x")
                assert list(upstream.answers[-1].citations) == citations
                assert not any(answer.citations for answer in upstream.answers[:-1])
