"""The plan language of the demo upstream."""

import httpx2
import pytest

from support.raw_client import connect, text_of
from tokenwire_demo import DemoUpstream, PlanError, parse_plan

BAD_PLANS = [
    ("", "the plan is empty"),
    (" ; ", "the plan is empty"),
    ("tokens 3; explode", "unknown step 'explode'; the steps are: answer, "),
    ("count=3", "unknown step"),
    ("tokens", "bad step 'tokens': count is missing; write: tokens COUNT"),
    ("tokens x", "count must be a whole number of at least 0, not 'x'"),
    ("tokens -1", "count must be a whole number of at least 0, not '-1'"),
    ("tokens 1 2", "too many values: '2'"),
    ("tokens 1 count=2", "count is given twice"),
    ("tokens 1 size=2", "unknown value size=2"),
    ("tokens {}", "count must be text, not JSON"),
    ("wait soon", "seconds must be a number of at least 0, not 'soon'"),
    ("wait nan", "seconds must be a number of at least 0, not 'nan'"),
    ("big-delta 10XB", "size must be a size such as 300, 64kB or 10MB, not '10XB'"),
    ("writes slowly", "writes must be one of auto, event, batch, byte, split-utf8"),
    ("status 99", "status must be from 200 to 599"),
    ("status 204", "status must be from 200 to 599 and allow a body, not 204"),
    ("headers status=700", "status must be from 200 to 599"),
    ('redirect "a b"', "url must be a URL, not 'a b'"),
    ('status 500 x="a\\r\\nb"', "header x must be text without control characters"),
    ("status 500 x={}", "header x must be text without control characters"),
    ('text "open', "bad JSON in the plan at"),
    ("reset; tokens 3", "step 'tokens' is unreachable, because 'reset' ends the plan"),
    ("status 500; stall", "step 'stall' is unreachable"),
    ("tokens 1; status 500", "step 'status' must come before anything is sent"),
    ("scenario unheard", "unknown scenario 'unheard'; they are: normal, "),
    ("scenario truncated; answer", "step 'answer' is unreachable, because 'eof' ends"),
]


def test_a_bad_plan_is_told_what_is_wrong(subtests: pytest.Subtests) -> None:
    """An error names the invalid step and what is allowed."""
    for plan, said in BAD_PLANS:
        with subtests.test(plan=plan, said=said):
            with pytest.raises(PlanError) as caught:
                parse_plan(plan)
            assert said in str(caught.value)


SAME_PLANS = [
    ("tokens 3", "  tokens   count=3 ; "),
    ("usage 1 2 3 4", "usage reasoning=4 cached=3 completion=2 prompt=1"),
    ("big-delta 10MB", "big-delta size=10000kB"),
    ("status 429 error-type=x retry-after=2", 'status 429 retry-after="2" error-type=x'),
    ('text ";]["', 'text text="\\u003b]["'),
    ("scenario truncated", "tokens 3; eof"),
    ('data {"a": [1]}', 'data data={"a":[1]}'),
]


def test_one_plan_may_be_written_in_several_ways(subtests: pytest.Subtests) -> None:
    """Equivalent plans may differ in positions, names, units, quotes and spaces."""
    for one, other in SAME_PLANS:
        with subtests.test(one=one, other=other):
            assert parse_plan(one).steps == parse_plan(other).steps


async def test_a_plan_may_stand_in_a_header(upstream: DemoUpstream) -> None:
    """The header x-demo-plan selects the plan."""
    async with connect(upstream) as client:
        await client.ask("tokens 2")
        assert text_of(await client.events()) == "This is"


async def test_a_plan_may_stand_in_the_prompt(upstream: DemoUpstream) -> None:
    """`[[demo: ...]]` in the last user message selects the plan and is not quoted in the answer."""
    async with connect(upstream) as client:
        await client.ask(text='say [[demo: answer; text " end"]]this')
        text = text_of(await client.events())
    assert '"say this"' in text
    assert text.endswith(" end")


async def test_a_plan_in_an_earlier_message_is_ignored(upstream: DemoUpstream) -> None:
    """Only the last user message is searched for a plan."""
    turns = [
        {"role": "user", "content": "[[demo: status 500]]"},
        {"role": "user", "content": "hello"},
    ]
    async with connect(upstream) as client:
        await client.ask(messages=turns)
        assert (await client.head())[0] == 200


async def test_the_script_goes_before_the_header_before_the_prompt_before_the_default() -> None:
    """Each source of plans takes precedence over the next, and scripted plans are used in order."""
    async with DemoUpstream(plan="text default") as upstream, connect(upstream) as client:
        upstream.script("text first", "text second")
        seen = []
        for header, prompt in [
            ("text header", "[[demo: text prompt]]"),
            (None, "[[demo: text prompt]]"),
            ("text header", "[[demo: text prompt]]"),
            (None, "[[demo: text prompt]]"),
            (None, "hello"),
        ]:
            await client.ask(header, text=prompt)
            seen.append(text_of(await client.events()))
    assert seen == ["first", "second", "header", "prompt", "default"]
    assert [one.plan for one in upstream.requests] == [f"text {word}" for word in seen]


async def test_a_script_with_a_bad_plan_queues_nothing(upstream: DemoUpstream) -> None:
    """An invalid plan in a script raises an error, and no plan of the script is queued."""
    with pytest.raises(PlanError):
        upstream.script("tokens 1", "explode")
    async with connect(upstream) as client:
        await client.ask()
        assert (await client.events())[-1] == "[DONE]"


async def test_a_bad_plan_of_a_request_is_a_400(upstream: DemoUpstream) -> None:
    """A request with an invalid plan gets a 400, and the connection stays open."""
    async with connect(upstream) as client:
        await client.ask("explode")
        status, headers = await client.head()
        body = await client.reader.readexactly(int(headers["content-length"]))
        assert status == 400
        assert b"unknown step 'explode'" in body
        await client.ask("tokens 1")
        assert text_of(await client.events()) == "This"


async def test_a_step_that_needs_a_stream_is_refused_without_one(upstream: DemoUpstream) -> None:
    """A plan that writes events gets a 400 if the request does not stream."""
    async with httpx2.AsyncClient() as client:
        response = await client.post(
            f"{upstream.base_url}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "x"}]},
            headers={"x-demo-plan": "tokens 1; bad-json"},
        )
    assert response.status_code == 400
    said = response.json()["error"]["message"]
    assert said == "step 'bad-json' needs a request with \"stream\": true"
