"""`tokenwire chat` offers tools, prints their calls, and returns the results that it is given."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.command_line import TOKENWIRE, Finished, run
from support.scripted_server import Context, ScriptedServer
from tokenwire_client import Answer, FinishReason, Role, Tool, ToolCall
from tokenwire_client.v1.chatgpt_pb2 import Message

SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}}
CALL = ToolCall(id="a", name="get_time", arguments='{"zone":"Oslo"}', state=b"call state")


async def calls_until_answered(message: Message, _context: Context) -> AsyncIterator[Answer]:
    """Call a tool, and answer with its result once the request has one."""
    if message.history and message.history[-1].role == Role.ROLE_TOOL:
        yield Answer(content=f"It is {message.history[-1].content}.")
        yield Answer(finish_reason=FinishReason.FINISH_REASON_STOP)
        return
    yield Answer(content="Let me look.")
    yield Answer(tool_calls=[CALL])
    yield Answer(finish_reason=FinishReason.FINISH_REASON_TOOL_CALLS, state=b"state")


@pytest.fixture
def tool_file(tmp_path: Path) -> Path:
    path = tmp_path / "get_time.json"
    path.write_text(json.dumps({"name": "get_time", "parameters": SCHEMA}))
    return path


async def chat(server: ScriptedServer, *options: str) -> Finished:
    return await run(*TOKENWIRE, "chat", "--address", server.address, "--quiet", *options)


async def test_prints_the_call(tool_file: Path) -> None:
    """Without a result, the calls are the answer: lines of JSON on stdout."""
    async with ScriptedServer(calls_until_answered) as server:
        finished = await chat(server, "--tool", str(tool_file), "What time is it?")
    line = '{"id": "a", "name": "get_time", "arguments": {"zone": "Oslo"}}'
    assert finished == Finished(0, f"Let me look.\n{line}\n", "")
    [request] = server.requests
    assert list(request.tools) == [Tool(name="get_time", parameters=json.dumps(SCHEMA))]


async def test_returns_the_result(tool_file: Path) -> None:
    """With a result for each call, the model answers again, and gets its state back."""
    async with ScriptedServer(calls_until_answered) as server:
        options = ("--tool", str(tool_file), "--tool-result", "get_time=12=noon")
        finished = await chat(server, *options, "What time is it?")
    assert finished.stdout.splitlines()[-1] == "It is 12=noon."
    _, second = server.requests
    assert second.content == ""
    user, assistant, result = second.history
    assert user.content == "What time is it?"
    assert (assistant.content, assistant.state) == ("Let me look.", b"state")
    assert list(assistant.tool_calls) == [CALL]
    assert (result.tool_call_id, result.content) == ("a", "12=noon")


async def test_does_not_call_without_end(tool_file: Path) -> None:
    """A model that calls tools again and again ends the command with an error."""

    async def calls(_message: Message, _context: Context) -> AsyncIterator[Answer]:
        yield Answer(tool_calls=[CALL])
        yield Answer(finish_reason=FinishReason.FINISH_REASON_TOOL_CALLS)

    async with ScriptedServer(calls) as server:
        options = ("--tool", str(tool_file), "--tool-result", "get_time=noon")
        finished = await chat(server, *options, "What time is it?")
    assert finished.code == 1
    assert finished.stderr == "error: the model has called tools 8 times without an answer\n"
    assert len(server.requests) == 8


FILES = {
    "{": "is not valid JSON",
    "[]": "is not an object with a `name`",
    '{"function": {}}': "is not an object with a `name`",
    '{"name": "a", "description": 7}': "`description` is not a string",
}


async def test_rejects_files(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """A file without a tool exits with code 2 and one line that names the file."""
    path = tmp_path / "tool.json"
    for content, problem in FILES.items():
        with subtests.test(content=content):
            path.write_text(content)
            finished = await run(*TOKENWIRE, "chat", "--tool", str(path), "hi")
            assert finished.code == 2
            line = finished.stderr.splitlines()[-1]
            assert f"argument --tool: {str(path)!r}" in line
            assert problem in line
    finished = await run(*TOKENWIRE, "chat", "--tool-result", "noon", "hi")
    assert finished.code == 2
    assert "argument --tool-result: 'noon' is not NAME=TEXT" in finished.stderr
