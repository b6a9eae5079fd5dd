"""Asks a demo upstream by HTTP in either of its APIs, streaming or not, and joins the answer."""

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tokenwire_demo import DemoUpstream

APIS = ("chat", "responses")
_PATHS = {"chat": "/chat/completions", "responses": "/responses"}


@dataclass
class Joined:
    """An answer, whatever the API.

    Attributes:
        text: The text.
        pieces: The deltas of the text; empty if the answer was not streamed.
        reasoning: The reasoning that was shown.
        calls: The id, the name and the arguments of each tool call.
        call_pieces: The deltas of the calls' arguments.
        finish: The finish reason, or the status of the response.
        usage: The counts of completion tokens and of reasoning tokens.
    """

    text: str = ""
    pieces: list[str] = field(default_factory=list)
    reasoning: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    call_pieces: list[str] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Answered:
    """A response as it came."""

    status_code: int
    text: str

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.text)


async def post(upstream: DemoUpstream, api: str, body: dict[str, Any], plan: str = "") -> Answered:
    """Return the response to a request."""
    headers = {"x-demo-plan": plan} if plan else {}
    # The own encoder escapes lone surrogates, which a client would otherwise fail to encode.
    data = json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(upstream.base_url + _PATHS[api], data=data, headers=headers) as response,
    ):
        return Answered(response.status, await response.text())


async def asked(
    upstream: DemoUpstream,
    api: str,
    text: str = "hello",
    /,
    *,
    stream: bool,
    plan: str = "",
    **fields: Any,
) -> Joined:
    """Return the answer to a text; `fields` are those of the API."""
    prompt = [{"role": "user", "content": text}]
    own = {"messages": prompt} if api == "chat" else {"input": prompt}
    options = {"stream_options": {"include_usage": True}} if api == "chat" else {}
    body = {"model": "any", "stream": stream, **own, **options, **fields}
    response = await post(upstream, api, body, plan)
    assert response.status_code == 200, response.text
    if not stream:
        return _of_chat(response.json()) if api == "chat" else _of_response(response.json())
    lines = [line[6:] for line in response.text.split("\n") if line.startswith("data: ")]
    events = [json.loads(line) for line in lines if line != "[DONE]"]
    return _of_chunks(events) if api == "chat" else _of_events(events)


def _of_chat(body: Any) -> Joined:
    choice = body["choices"][0]
    message = choice["message"]
    calls = [_call(call) for call in message.get("tool_calls", [])]
    thought = message.get("reasoning_content") or message.get("reasoning") or ""
    return Joined(
        text=message["content"] or "",
        reasoning=thought,
        calls=calls,
        finish=choice["finish_reason"],
        usage=_chat_usage(body["usage"]),
    )


def _call(call: Any) -> tuple[str, str, str]:
    function = call["function"]
    return call.get("id", ""), function.get("name", ""), function["arguments"]


def _chat_usage(usage: Any) -> tuple[int, int]:
    details = usage["completion_tokens_details"]
    return usage["completion_tokens"], details["reasoning_tokens"]


def _of_chunks(events: list[Any]) -> Joined:
    joined = Joined()
    for event in events:
        if event.get("usage"):
            joined.usage = _chat_usage(event["usage"])
        for choice in event["choices"]:
            joined.finish = choice["finish_reason"] or joined.finish
            _add_delta(joined, choice["delta"])
    joined.text = "".join(joined.pieces)
    return joined


def _add_delta(joined: Joined, delta: Any) -> None:
    if delta.get("content"):
        joined.pieces.append(delta["content"])
    joined.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
    for call in delta.get("tool_calls", []):
        if "id" in call:
            joined.calls.append(_call(call))
        else:
            piece = call["function"]["arguments"]
            joined.call_pieces.append(piece)
            own, name, before = joined.calls[call["index"]]
            joined.calls[call["index"]] = (own, name, before + piece)


def _of_response(body: Any) -> Joined:
    joined = Joined(finish=body["status"])
    for item in body["output"]:
        if item["type"] == "message":
            joined.text += "".join(part["text"] for part in item["content"])
        elif item["type"] == "reasoning":
            joined.reasoning += "".join(part["text"] for part in item["summary"])
        else:
            joined.calls.append((item["call_id"], item["name"], item["arguments"]))
    if body["usage"]:
        details = body["usage"]["output_tokens_details"]
        joined.usage = (body["usage"]["output_tokens"], details["reasoning_tokens"])
    return joined


def _of_events(events: list[Any]) -> Joined:
    joined = _of_response(events[-1]["response"])
    for event in events:
        if event["type"] == "response.output_text.delta":
            joined.pieces.append(event["delta"])
        elif event["type"] == "response.function_call_arguments.delta":
            joined.call_pieces.append(event["delta"])
    assert "".join(joined.pieces) == joined.text
    return joined
