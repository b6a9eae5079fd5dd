from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from support.command_line import CTRL_C, CTRL_D, TOKENWIRE, Terminal
from support.scripted_server import Context, ScriptedServer, fails, hangs_after, says
from tokenwire_client import Answer, Role, Turn
from tokenwire_client.v1.chatgpt_pb2 import Message


@asynccontextmanager
async def conversation(server: ScriptedServer, *options: str) -> AsyncIterator[Terminal]:
    """Start a conversation and wait for its first prompt."""
    command = (*TOKENWIRE, "chat", "--address", server.address, *options)
    async with Terminal(*command) as terminal:
        await terminal.expect(f"Talking to {server.address}.")
        await terminal.expect("\n> ")
        yield terminal


async def repeats(request: Message, context: Context) -> AsyncIterator[Answer]:
    async for answer in says("you said ", request.content)(request, context):
        yield answer


def turns(*texts: str) -> list[Turn]:
    roles = (Role.ROLE_USER, Role.ROLE_ASSISTANT)
    return [Turn(role=roles[number % 2], content=text) for number, text in enumerate(texts)]


async def test_remembers_the_conversation() -> None:
    """Each message includes the previous questions and answers."""
    async with ScriptedServer(repeats) as server, conversation(server) as terminal:
        terminal.type("one\n")
        await terminal.expect("you said one\nfirst token after ")
        await terminal.expect("\n> ")
        terminal.type("two\n")
        await terminal.expect("you said two\n")
        await terminal.expect("\n> ")
    assert [request.content for request in server.requests] == ["one", "two"]
    assert list(server.requests[1].history) == turns("one", "you said one")


async def test_new_forgets_the_conversation() -> None:
    """/new clears the history."""
    async with ScriptedServer(repeats) as server, conversation(server) as terminal:
        terminal.type("one\n")
        await terminal.expect("\n> ")
        terminal.type("/new\n")
        await terminal.expect("\n> ")
        terminal.type("two\n")
        await terminal.expect("you said two\n")
    assert list(server.requests[1].history) == []


async def test_ctrl_c_cancels_the_answer_only() -> None:
    """Ctrl-C during an answer cancels the call, reports that, and returns to the prompt."""
    async with ScriptedServer(hangs_after("half an ans")) as server, conversation(server) as chat:
        chat.type("one\n")
        await chat.expect("half an ans")
        chat.type(CTRL_C)
        await chat.expect("\ncancelled\n> ")
        await server.cancelled.wait()
        server.script = repeats
        chat.type("two\n")
        await chat.expect("you said two\n")
    assert list(server.requests[1].history) == []


async def test_ctrl_c_at_the_prompt_gives_a_new_prompt() -> None:
    """Ctrl-C at the prompt discards the input, as in a shell."""
    async with ScriptedServer(repeats) as server, conversation(server) as terminal:
        terminal.type("oops")
        await terminal.expect("oops")
        # If Ctrl-C arrives just before Python waits for input, Python notices it only
        # at the end of the line; without Ctrl-C, Enter would send the message.
        terminal.type(CTRL_C + "\n")
        await terminal.expect("\n> ")
        terminal.type("one\n")
        await terminal.expect("you said one\n")
        await terminal.expect("\n> ")
        terminal.type(CTRL_D)
        assert await terminal.exit_code() == 0
        assert "Traceback" not in terminal.screen
    assert [request.content for request in server.requests] == ["one"]


@pytest.mark.parametrize("keys", [CTRL_D, "/quit\n"], ids=["Ctrl-D", "/quit"])
async def test_ends_with_0(keys: str) -> None:
    """Ctrl-D and /quit end the conversation with exit code 0."""
    async with ScriptedServer(repeats) as server, conversation(server) as terminal:
        terminal.type(keys)
        assert await terminal.exit_code() == 0


async def test_failure_returns_to_the_prompt() -> None:
    """A failed answer is reported in one line and left out of the conversation."""
    async with ScriptedServer(repeats) as server, conversation(server, "--quiet") as terminal:
        terminal.type("one\n")
        await terminal.expect("you said one\n> ")
        server.script = fails(grpc.StatusCode.ABORTED, "broken", after=("half",))
        terminal.type("two\n")
        await terminal.expect("half\nerror: ABORTED: broken (request req-7)\n> ")
        server.script = repeats
        terminal.type("three\n")
        await terminal.expect("you said three\n> ")
    assert list(server.requests[2].history) == turns("one", "you said one")


async def test_help_and_unknown_commands() -> None:
    """/help lists the commands; an unknown command is an error and is not sent as a message."""
    async with ScriptedServer(repeats) as server, conversation(server) as terminal:
        terminal.type("/help\n")
        await terminal.expect("/new ")
        await terminal.expect("\n> ")
        terminal.type("/nwe\n")
        await terminal.expect("error: there is no command /nwe; /help lists them\n> ")
    assert server.requests == []


async def test_empty_lines_send_nothing() -> None:
    """Enter at the prompt sends nothing and prompts again."""
    async with ScriptedServer(repeats) as server, conversation(server) as terminal:
        terminal.type("\n")
        await terminal.expect("\n> ")
        terminal.type("  \n")
        await terminal.expect("\n> ")
        terminal.type("/quit\n")
        assert await terminal.exit_code() == 0
    assert server.requests == []
