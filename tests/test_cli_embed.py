"""`tokenwire embed` prints the vectors of texts."""

import json

from support.command_line import TOKENWIRE, Finished, run
from support.scripted_server import ScriptedServer, says
from tokenwire_client import EmbedResponse, Usage, Vector
from tokenwire_client.v1.chatgpt_pb2 import EmbedRequest

RESPONSE = EmbedResponse(
    vectors=[Vector(values=[0.1, -2]), Vector(values=[1e-9, 3.4e38])],
    model="m",
    usage=Usage(input_tokens=4),
)


async def embed(server: ScriptedServer, *options: str) -> Finished:
    return await run(*TOKENWIRE, "embed", "--address", server.address, *options)


async def test_each_vector_is_a_line() -> None:
    """Stdout has a JSON array for each text; the statistics are one line on stderr."""
    async with ScriptedServer(says()) as server:
        server.replies["Embed"] = RESPONSE
        finished = await embed(server, "a cat", "a dog")
    assert finished.code == 0
    assert finished.stdout.splitlines()[0] == "[0.1, -2.0]"
    vectors = [Vector(values=json.loads(line)) for line in finished.stdout.splitlines()]
    assert vectors == list(RESPONSE.vectors)
    assert finished.stderr == "vectors: 2, numbers: 2, 4 tokens in\n"


async def test_options_are_sent() -> None:
    """Model and length reach the server, and --quiet prints no statistics."""
    async with ScriptedServer(says()) as server:
        server.replies["Embed"] = RESPONSE
        finished = await embed(server, "-q", "--model", "m", "--dimensions", "2", "a", "b")
    assert (finished.code, finished.stderr) == (0, "")
    assert server.unary_requests == [EmbedRequest(texts=["a", "b"], model="m", dimensions=2)]


async def test_a_failure_is_a_line_and_1() -> None:
    """A call that fails prints one line and exits with 1."""
    async with ScriptedServer(says()) as server:
        finished = await embed(server, "a")
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: UNIMPLEMENTED")


async def test_bad_arguments_are_2() -> None:
    """No text, or a length that is no number, exits with 2."""
    for options in ((), ("--dimensions", "many", "a")):
        finished = await run(*TOKENWIRE, "embed", *options)
        assert (finished.code, finished.stdout) == (2, "")
