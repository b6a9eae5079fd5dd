"""The examples of tools, images, structured output and cancellation, in each language."""

import base64
import json
import re
from pathlib import Path

import pytest

from support.app import StartApp
from support.examples import GO, GO_ENVIRONMENT, JAVA, NODE, Examples
from support.programs import ROOT, Outcome, run
from tokenwire.app import App
from tokenwire_demo import DemoUpstream

# The first test includes the compilation of the Go examples.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(300)]

IMAGE = ROOT / "examples" / "circle.png"
CALL = 'tool-call get_time {"zone":"UTC"}; finish; done'


async def test_tools_runs_calls_and_sends_their_results(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """Two parallel calls are run, and their results are sent back under the ids of the calls."""
    upstream.script(
        'tool-call get_time {"zone":"UTC"} id=a; tool-call get_time {"zone":"nowhere"} 1 id=b;'
        "finish; done",
        'text "noon"; finish; done',
    )

    done = await run(*examples.program("tools"), app.address, "What time?")

    assert (done.code, done.stderr) == (0, "")
    *calls, answer = done.stdout.splitlines()
    assert answer == "noon"
    printed = [re.fullmatch(r"\[get_time\((.+?)\) returns (.+)\]", call) for call in calls]
    arguments, results = zip(*(call.groups() for call in printed if call), strict=True)
    assert [json.loads(text)["zone"] for text in arguments] == ["UTC", "nowhere"]
    assert re.search(r"\d:\d\d", results[0])
    assert "nowhere" in results[1]
    first, second = (request.body for request in upstream.requests)
    assert first["tools"][0]["function"]["strict"] is True
    user, assistant, *tools = second["messages"]
    assert (user["role"], user["content"]) == ("user", "What time?")
    assert [call["id"] for call in assistant["tool_calls"]] == ["a", "b"]
    assert [(turn["tool_call_id"], turn["content"]) for turn in tools] == [
        ("a", results[0]),
        ("b", results[1]),
    ]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("no_such_tool", 'there is no tool "no_such_tool"'),
        ("get_time {}", "zone"),
        ('get_time {"zone":7}', "zone"),
        ('get_time {"zone":null}', "zone"),
    ],
)
async def test_tools_tells_the_model_what_is_wrong_with_a_call(
    examples: Examples, app: App, upstream: DemoUpstream, call: str, problem: str
) -> None:
    """A call of an unknown tool or with wrong arguments gets a result, and the answer follows."""
    upstream.script(f"tool-call {call}; finish; done", 'text "sorry"; finish; done')

    done = await run(*examples.program("tools"), app.address, "What time?")

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.endswith("]\nsorry\n")
    assert problem in upstream.requests[1].body["messages"][-1]["content"]


async def test_tools_gives_up_after_five_rounds(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """A model that only calls tools is asked five times, not without an end."""
    upstream.script(*[CALL] * 6)

    done = await run(*examples.program("tools"), app.address, "What time?")

    assert done.code == 1
    assert done.stderr == "the model has called tools 5 times without an answer\n"
    assert len(upstream.requests) == 5


async def test_image_sends_the_file(examples: Examples, app: App, upstream: DemoUpstream) -> None:
    """The upstream receives the text and the bytes of the image with its media type."""
    upstream.script('text "a circle"; finish; done')

    done = await run(*examples.program("image"), app.address, IMAGE, "What is this?")

    assert done == Outcome(0, "a circle\n", "")
    text, image = upstream.requests[0].body["messages"][-1]["content"]
    assert text["text"] == "What is this?"
    data = base64.b64encode(IMAGE.read_bytes()).decode()
    assert image["image_url"]["url"] == f"data:image/png;base64,{data}"


async def test_image_names_a_file_that_is_missing(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """If the file does not exist, the example says so in one line and sends nothing."""
    done = await run(*examples.program("image"), app.address, "nowhere.png", "What is this?")

    assert (done.code, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "nowhere.png" in line
    assert not upstream.requests


async def test_structured_parses_an_answer_of_the_schema(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """The upstream receives a strict schema, and the fields of the answer are printed."""
    answer = {"name": "Oslo", "country": "Norway", "population": 700000}
    upstream.script(f"text {json.dumps(json.dumps(answer))}; finish; done")

    done = await run(*examples.program("structured"), app.address, "Tell me about Oslo.")

    assert done == Outcome(0, "name: Oslo\ncountry: Norway\npopulation: 700000\n", "")
    schema = upstream.requests[0].body["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"]) == ("city", True)
    assert schema["schema"]["required"] == list(schema["schema"]["properties"]) == list(answer)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ('text "{"; finish length; done', "the answer is not complete: FINISH_REASON_LENGTH\n"),
        ('text "{]"; finish; done', "the answer "),
    ],
)
async def test_structured_refuses_an_answer_that_is_cut_or_no_json(
    examples: Examples, app: App, upstream: DemoUpstream, plan: str, message: str
) -> None:
    """An answer that ends at the token limit or is no JSON is an error in one line."""
    upstream.script(plan)

    done = await run(*examples.program("structured"), app.address, "Tell me about Oslo.")

    assert (done.code, done.stdout) == (1, "")
    [line] = done.stderr.splitlines(keepends=True)
    assert line.startswith(message)


async def test_cancel_stops_the_model(examples: Examples, app: App, upstream: DemoUpstream) -> None:
    """After the first characters the call ends with CANCELLED, and so does the upstream request."""
    upstream.script('text "The sky is blue"; stall')

    done = await run(*examples.program("cancel"), app.address, "Why is the sky blue?")
    await upstream.wait_closed(upstream.connections[0])

    assert (done.code, done.stderr) == (0, "")
    text, status = done.stdout.splitlines()
    assert text == "The sky is blue"
    assert status.startswith(f"cancelled: {examples.cancelled}: ")
    assert upstream.requests[0].outcome == "client gone"


async def test_cancel_says_that_an_answer_was_complete(
    examples: Examples, app: App, upstream: DemoUpstream
) -> None:
    """An answer too short to be cancelled ends by itself."""
    upstream.script('text "Hi"; finish; done')

    done = await run(*examples.program("cancel"), app.address, "Hello")

    expected = "Hi\nthe answer was complete before the call was cancelled\n"
    assert done == Outcome(0, expected, "")


@pytest.mark.parametrize("name", ["tools", "image", "structured", "cancel"])
async def test_shows_a_failed_call_in_one_line(
    examples: Examples, app: App, upstream: DemoUpstream, name: str
) -> None:
    """If the upstream refuses the request, the example prints code, reason and message."""
    upstream.script("status 400 code=context_length_exceeded")
    arguments = (IMAGE, "Hello") if name == "image" else ("Hello",)

    done = await run(*examples.program(name), app.address, *arguments)

    assert (done.code, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{examples.invalid_argument} (PROMPT_TOO_LONG): ")


@pytest.mark.parametrize(
    ("folder", "command"),
    [(GO, "go run "), (NODE, "node "), (JAVA, "java ")],
    ids=["go", "node", "java"],
)
async def test_the_commands_of_the_readme_work(
    folder: Path, command: str, start_app: StartApp
) -> None:
    """Each program of the folder has a command in its README, which succeeds."""
    app = await start_app()
    readme = (folder / "README.md").read_text("utf-8")
    lines = [line for line in readme.splitlines() if line.startswith(command)]
    assert len(lines) == 6
    for line in lines:
        pointed = line.replace("127.0.0.1:50051", app.address)
        assert pointed != line
        done = await run("sh", "-c", pointed, cwd=folder, env=GO_ENVIRONMENT, within=120)
        assert done.code == 0, done.stderr
        assert done.stdout
