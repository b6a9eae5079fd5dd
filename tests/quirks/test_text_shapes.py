"""Text in any shape is passed on or the answer fails; it is never dropped."""

import json

import grpc
import pytest

from support.quirks import DONE, STOP, Got, choice, delta, event, finish, player, response, text

WHOLE = {
    "object": "chat.completion",
    "choices": [{"message": {"content": "Hi all"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
ODD = "a\u0000b \u202e Zoe\u0308 Zo\xeb \U0001f469\u200d\U0001f680 \u2028 \u2029 \x85 \x0b \x1c"

SHAPES = {
    "parts": (
        [text([{"type": "text", "text": "Hel"}]), text("lo"), text([THINKING]), STOP],
        Got("Hello"),
    ),
    "parts as strings": ([text(["Hel", {"text": "lo"}]), STOP], Got("Hello")),
    "numbers": ([text(" ["), text(7), text("] for $0."), text(5), STOP], Got(" [7] for $0.5")),
    "a fraction as it is written": (
        [b'data: {"choices":[{"delta":{"content":1.50}}]}\n\n', STOP],
        Got("1.50"),
    ),
    "null": ([text(None), text("x"), STOP], Got("x")),
    "empty": ([text(""), text("x"), STOP], Got("x")),
    "a role alone": ([delta(role="assistant"), text("x"), STOP], Got("x")),
    "delta before message": (
        [
            choice(delta={"content": "Oslo"}, message={"content": "Oslo"}),
            choice(delta={"content": " is"}, message={"content": "Oslo is"}),
            STOP,
        ],
        Got("Oslo is"),
    ),
    "one event with the whole answer": ([event(WHOLE), DONE], Got("Hi all", usage=(3, 2, 0, 0))),
    "no index, no object": (
        [event({"id": "", "choices": [{"delta": {"role": "", "content": "x"}}]}), STOP],
        Got("x"),
    ),
    "side fields of other types": (
        [
            event(
                {
                    "id": 42,
                    "created": "1",
                    "model": {"name": "m"},
                    "object": 1,
                    "choices": [{"index": "0", "delta": {"role": 7, "content": "x"}}],
                }
            ),
            STOP,
        ],
        Got("x"),
    ),
    "a finish reason of another type": (
        [choice(delta={"content": "x"}, finish_reason=False), STOP],
        Got("x"),
    ),
    "choices as null, then text": ([event({"choices": None}), text("x"), STOP], Got("x")),
    "odd characters": (
        [
            f"data: {json.dumps({'choices': [{'delta': {'content': ODD}}]})}\n\n".encode(),
            STOP,
        ],
        Got(ODD),
    ),
    "odd characters, unescaped": (
        [
            b'data: {"choices":[{"delta":{"content":"'
            + "\u2028\u2029\x85\u202e".encode()
            + b'"}}]}\n\n',
            STOP,
        ],
        Got("\u2028\u2029\x85\u202e"),
    ),
}


async def test_text_is_passed_on(subtests: pytest.Subtests) -> None:
    """The caller receives the text of every shape that an upstream uses."""
    async with player() as upstream:
        for name, (body, right) in SHAPES.items():
            with subtests.test(name):
                assert await upstream.play(response(*body)) == right


NOT_UNDERSTOOD = {
    "an object": {"text": "x"},
    "true": True,
    "a list in a list": [["x"]],
    "a part without a known text": [{"type": "new", "words": "x"}],
}


async def test_text_that_is_not_understood_fails(subtests: pytest.Subtests) -> None:
    """Content in an unknown shape fails the call with UPSTREAM_PROTOCOL_ERROR."""
    async with player() as upstream:
        for name, content in NOT_UNDERSTOOD.items():
            with subtests.test(name):
                got = await upstream.play(response(text("so "), text(content), STOP))
                assert got == Got("so ", "UPSTREAM_PROTOCOL_ERROR", grpc.StatusCode.INTERNAL)


async def test_ids_of_any_type_are_kept() -> None:
    """An id that is a number arrives as its digits; what is absent later does not blank it."""
    async with player() as upstream:
        await upstream.play(
            response(event({"id": 42, "model": "m", "choices": []}), text("x"), finish("stop"))
        )
        assert (upstream.answers[-1].id, upstream.answers[-1].model) == ("42", "m")


async def test_an_answer_that_is_not_streamed(subtests: pytest.Subtests) -> None:
    """A whole answer as JSON, though a stream was asked for, is an answer; it is asked for once."""
    async with player() as upstream:
        for body in (json.dumps(WHOLE), json.dumps(WHOLE, indent=1), json.dumps(WHOLE) + "\n"):
            with subtests.test(body=body):
                got = await upstream.play(response(body.encode(), content_type="application/json"))
                assert got == Got("Hi all", usage=(3, 2, 0, 0))


async def test_text_is_cut_anywhere(subtests: pytest.Subtests) -> None:
    """Reads that cut JSON and UTF-8 anywhere change no byte of the text."""
    whole = b"".join(
        [f'data: {{"choices":[{{"delta":{{"content":{json.dumps(ODD)}}}}}]}}\n\n'.encode(), STOP]
    )
    plain = json.dumps({"choices": [{"delta": {"content": ODD}}]}, ensure_ascii=False)
    async with player() as upstream:
        for body in (whole, f"data: {plain}\n\n".encode() + STOP):
            for size in (1, 3):
                with subtests.test(size=size):
                    pieces = [body[at : at + size] for at in range(0, len(body), size)]
                    assert (await upstream.play(response(*pieces))).text == ODD
