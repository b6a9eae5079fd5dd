"""The reasoning of the demo model, on request."""

from typing import Any

import pytest

from support.model_client import asked, post
from support.raw_client import deltas, play
from tokenwire_demo import DemoUpstream

FORMS: list[tuple[str, dict[str, Any], bool]] = [
    ("chat", {"reasoning_effort": "low"}, True),
    ("chat", {"reasoning": {"effort": "low"}}, True),
    ("chat", {"reasoning": {"effort": "low", "exclude": True}}, False),
    ("chat", {"thinking": {"type": "enabled", "budget_tokens": 13}}, True),
    ("chat", {"reasoning": {"max_tokens": 13}}, True),
    ("chat", {"chat_template_kwargs": {"enable_thinking": True}}, True),
    ("responses", {"reasoning": {"effort": "low", "summary": "auto"}}, True),
    ("responses", {"reasoning": {"effort": "low"}}, False),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("api", "fields", "shown"), FORMS)
async def test_reasoning_is_counted_and_shown_as_requested(
    upstream: DemoUpstream, api: str, fields: dict[str, Any], *, shown: bool, stream: bool
) -> None:
    """Each form adds reasoning, which usage counts whether or not it is shown."""
    plain = await asked(upstream, api, stream=stream)
    answer = await asked(upstream, api, stream=stream, **fields)
    assert answer.text == plain.text
    counted = answer.usage[1]
    assert counted > 0
    assert answer.usage[0] == plain.usage[0] + counted
    assert plain.usage[1] == 0
    assert len(answer.reasoning.split()) == (counted if shown else 0)


NONE: list[tuple[str, dict[str, Any]]] = [
    ("chat", {"reasoning_effort": "none"}),
    ("chat", {"reasoning_effort": None}),
    ("chat", {"reasoning": {"enabled": False}}),
    ("chat", {"thinking": {"type": "disabled"}}),
    ("chat", {"chat_template_kwargs": {"enable_thinking": False}}),
    ("responses", {"reasoning": {"effort": "none", "summary": "auto"}}),
    ("responses", {"reasoning": None}),
]


@pytest.mark.parametrize(("api", "fields"), NONE)
async def test_reasoning_can_be_off(
    upstream: DemoUpstream, api: str, fields: dict[str, Any]
) -> None:
    """No reasoning is sent or counted if it is turned off."""
    answer = await asked(upstream, api, stream=True, **fields)
    assert (answer.reasoning, answer.usage[1]) == ("", 0)


async def test_more_effort_is_more_reasoning(upstream: DemoUpstream) -> None:
    """Each effort has more reasoning tokens than the one below."""
    efforts = ["none", "minimal", "low", "medium", "high", "xhigh"]
    counts = [
        (await asked(upstream, "chat", stream=False, reasoning_effort=effort)).usage[1]
        for effort in efforts
    ]
    assert counts == sorted(set(counts))


async def test_a_budget_limits_reasoning(upstream: DemoUpstream) -> None:
    """Reasoning ends at its own limit, and the limit of the answer counts it first."""
    answer = await asked(upstream, "chat", stream=True, reasoning={"max_tokens": 3})
    assert answer.reasoning == "A simulator does"
    assert answer.text
    short = await asked(upstream, "chat", stream=True, reasoning_effort="low", max_tokens=3)
    assert (short.reasoning, short.text) == ("A simulator does", "")
    assert (short.finish, short.usage) == ("length", (3, 3))


async def test_a_plan_sends_reasoning_first(upstream: DemoUpstream) -> None:
    """`tokens` counts from the beginning of the reasoning."""
    sent = deltas(await play(upstream, "tokens 2", reasoning_effort="low"))
    assert sent[1:] == [{"reasoning_content": "A"}, {"reasoning_content": " simulator"}]


async def test_hidden_reasoning_is_an_item_without_a_summary(upstream: DemoUpstream) -> None:
    """A response has the item even if it shows nothing of it."""
    body = {"model": "m", "input": "hello", "reasoning": {"effort": "low"}}
    output = (await post(upstream, "responses", body)).json()["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["summary"] == []


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"reasoning_effort": "huge"}, "reasoning_effort"),
    ("chat", {"reasoning_effort": 1}, "reasoning_effort"),
    ("chat", {"reasoning": "low"}, "reasoning"),
    ("chat", {"reasoning": {"effort": "huge"}}, "reasoning.effort"),
    ("chat", {"reasoning": {"max_tokens": -1}}, "reasoning.max_tokens"),
    ("chat", {"thinking": {"type": "enabled", "budget_tokens": "1"}}, "thinking.budget_tokens"),
    ("responses", {"reasoning": {"effort": []}}, "reasoning.effort"),
]


@pytest.mark.parametrize(("api", "fields", "param"), REFUSED)
async def test_a_malformed_parameter_is_a_400(
    upstream: DemoUpstream, api: str, fields: dict[str, Any], param: str
) -> None:
    """The error names the parameter."""
    prompt = {"messages": [{"role": "user", "content": "x"}]} if api == "chat" else {"input": "x"}
    response = await post(upstream, api, {"model": "m", **prompt, **fields})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
