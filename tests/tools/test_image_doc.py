"""The commands of the README and docs/image.md that run a container."""

import shlex

import pytest

from support.containers import DEMO, IMAGE, ON_THIS_MACHINE, Container, output_of
from support.image_doc import RUNS
from support.readme import CONTAINERS
from tokenwire_client import Client
from tokenwire_demo import DemoUpstream

# The first test includes the build.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(1500), pytest.mark.usefixtures("image")]

COMMANDS = [*RUNS, *(block.code for block in CONTAINERS)]
DEMOS = [command for command in COMMANDS if command.endswith(" demo")]
SERVERS = [command for command in COMMANDS if command not in DEMOS]
ANSWER = "This is tokenwire's built-in demo model"


IMAGES = {"tokenwire:local": IMAGE, "tokenwire:local-demo": DEMO}


def parts(command: str) -> tuple[list[str], str, tuple[str, ...]]:
    """Return a command's options without published ports, its image, and its arguments."""
    docker, run, remove, *words = shlex.split(command)
    assert (docker, run, remove) == ("docker", "run", "--rm")
    [name] = IMAGES.keys() & set(words)
    image = words.index(name)
    options = words[:image]
    while "--publish" in options:
        at = options.index("--publish")
        assert options[at + 1] in {"50051:50051", "9464:9464"}
        del options[at : at + 2]
    return options, IMAGES[name], tuple(words[image + 1 :])


@pytest.mark.parametrize("command", SERVERS)
async def test_every_server_answers(
    command: str, upstream: DemoUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container that a command starts streams an answer."""
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    options, image, inside = parts(command)
    # OpenAI itself is not reachable from a test.
    model = f"--env=OPENAI_BASE_URL={upstream.base_url}"
    async with (
        Container(*options, model, *ON_THIS_MACHINE, command=inside, image=image) as server,
        Client(server.address) as client,
    ):
        text = "".join([answer.content async for answer in client.send("hello")])
    assert text.startswith(ANSWER)


@pytest.mark.parametrize("command", DEMOS)
async def test_every_demo_tells_its_story(command: str) -> None:
    """The container prints an answer and exits with code 0."""
    options, image, inside = parts(command)
    printed = await output_of(*options, "--network=none", command=inside, image=image)
    assert ANSWER in printed
    assert "stopped cleanly" in printed
