import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest

from support.app import StartApp
from support.command_line import Finished, run
from support.scripted_server import ScriptedServer, fails, reason, says
from tokenwire_client import Usage
from tokenwire_demo import DemoUpstream

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "python"
PROTOS = {
    "original contract": ROOT / "tests" / "original.proto",
    "current contract": ROOT / "proto" / "tokenwire" / "v1" / "chatgpt.proto",
}


@pytest.fixture(params=list(PROTOS.values()), ids=list(PROTOS))
def original_client(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence[str]:
    """The command of the plain example, with stubs generated as its README explains."""
    shutil.copy(request.param, tmp_path / "chatgpt.proto")
    (tmp_path / "gen").mkdir()
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={tmp_path}"),
            *(f"--python_out={tmp_path / 'gen'}", f"--grpc_python_out={tmp_path / 'gen'}"),
            "chatgpt.proto",
        ],
        check=True,
    )
    environment = ("env", f"PYTHONPATH={tmp_path / 'gen'}")
    return (*environment, sys.executable, str(EXAMPLES / "original_client.py"))


async def test_original_client_prints_the_answer(original_client: Sequence[str]) -> None:
    """A client written as in the article prints the answer, with stubs of either contract."""
    usage = Usage(input_tokens=1, output_tokens=2)
    async with ScriptedServer(says("blue ", "light", usage=usage)) as server:
        finished = await run(*original_client, server.address, "Why?")
    assert finished == Finished(0, "blue light\n", "")
    [request] = server.requests
    assert request.content == "Why?"
    assert request.params.temperature == pytest.approx(0.7)


async def test_original_client_shows_a_failure(original_client: Sequence[str]) -> None:
    """If a call fails, the plain example prints the status in one line and exits with code 1."""
    script = fails(grpc.StatusCode.INVALID_ARGUMENT, "say something", reason("EMPTY_PROMPT"))
    async with ScriptedServer(script) as server:
        finished = await run(*original_client, server.address, " ")
    assert finished == Finished(1, "", "INVALID_ARGUMENT: say something\n")


async def test_client_prints_the_answer_and_usage() -> None:
    """The example of tokenwire's client prints the answer and its usage."""
    usage = Usage(input_tokens=1, output_tokens=2)
    async with ScriptedServer(says("blue ", "light", usage=usage)) as server:
        finished = await run(sys.executable, str(EXAMPLES / "client.py"), server.address, "Why?")
    assert finished == Finished(0, "blue light\n[1 tokens in, 2 out]\n", "")


async def test_client_shows_a_failure() -> None:
    """If a call fails, the example of tokenwire's client prints one line and exits with code 1."""
    script = fails(grpc.StatusCode.INVALID_ARGUMENT, "say something", reason("EMPTY_PROMPT"))
    async with ScriptedServer(script) as server:
        finished = await run(sys.executable, str(EXAMPLES / "client.py"), server.address, " ")
    assert finished.code == 1
    assert finished.stderr == ("INVALID_ARGUMENT EMPTY_PROMPT: say something (request req-7)\n")


async def test_tools_runs_calls_and_sends_their_results(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The example of tools runs two parallel calls, and prints the answer to their results."""
    calls = (
        (0, "a", '{\\"zone\\":\\"UTC\\"}'),
        (1, "b", '{\\"zone\\":\\"nowhere\\"}'),
    )
    steps = [
        f'tool-call get_time arguments="{arguments}" index={index} id={name}'
        for index, name, arguments in calls
    ]
    upstream.script(f"{'; '.join(steps)}; finish tool_calls; done", 'text "noon"; finish; done')
    app = await start_app()
    finished = await run(sys.executable, str(EXAMPLES / "tools.py"), app.address, "What time?")
    first, second, answer = finished.stdout.splitlines()
    assert first.startswith('[get_time({"zone":"UTC"}) returns 20')
    assert second == """[get_time({"zone":"nowhere"}) returns there is no time zone 'nowhere']"""
    assert (answer, finished.stderr, finished.code) == ("noon", "", 0)
    roles = [message["role"] for message in upstream.requests[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool", "tool"]


async def test_tools_work_with_the_demo_model(start_app: StartApp) -> None:
    """Without a script, the demo model calls the tool that the question names."""
    app = await start_app()
    tools = str(EXAMPLES / "tools.py")
    finished = await run(sys.executable, tools, app.address, "What time is it in Europe/Oslo?")
    first, *answer = finished.stdout.splitlines()
    assert first.startswith("[get_time(")
    assert answer
    assert (finished.stderr, finished.code) == ("", 0)


async def test_structured_prints_what_the_picture_shows(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """The example sends the image and the schema of its class, and prints the object's fields."""
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(16))
    app = await start_app()
    finished = await run(sys.executable, str(EXAMPLES / "structured.py"), app.address, str(file))
    assert (finished.stderr, finished.code) == ("", 0)
    assert finished.stdout.endswith("\n")
    body = upstream.requests[-1].body
    [image] = [part for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["title", "colors"]


async def test_cancel_stops_the_model(start_app: StartApp, upstream: DemoUpstream) -> None:
    """The example prints the beginning of an answer that never ends, and the upstream is freed."""
    upstream.script("tokens 6; stall")
    app = await start_app()
    finished = await run(sys.executable, str(EXAMPLES / "cancel.py"), app.address, "Why?")
    assert finished == Finished(0, "This is tokenwire's built-in demo model, [cancelled]\n", "")
    await upstream.wait_until_disconnected()
