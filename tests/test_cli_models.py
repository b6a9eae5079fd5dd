"""`tokenwire models` prints the models of a server."""

import json

from support.command_line import TOKENWIRE, Finished, run
from support.scripted_server import ScriptedServer, says
from tokenwire_client import Ability, ListModelsResponse, Model, Price

RESPONSE = ListModelsResponse(
    models=[
        Model(
            name="large",
            description="For hard\nquestions\x1b[2J",
            abilities=[Ability.ABILITY_CHAT, Ability.ABILITY_TOOLS],
            context_tokens=128_000,
            max_output_tokens=16_384,
            price=Price(input=0.15, output=0.6, cached_input=0.075),
            serving=True,
        ),
        Model(name="small"),
    ],
    default_model="small",
    any_model=True,
)
LARGE = (
    "large\tchat, tools, context of 128000 tokens, at most 16384 tokens out, "
    "$0.15 in, $0.6 out per million tokens, For hard questions\\x1b[2J"
)


async def models(response: ListModelsResponse | None, *options: str) -> Finished:
    async with ScriptedServer(says()) as server:
        if response is not None:
            server.replies["ListModels"] = response
        return await run(*TOKENWIRE, "models", "--address", server.address, *options)


async def test_each_model_is_a_line() -> None:
    """A line has the name, a tab and what is known, without control characters of the server."""
    finished = await models(RESPONSE)
    assert (finished.code, finished.stdout.splitlines()) == (
        0,
        [
            LARGE,
            "small\tdefault, not serving",
        ],
    )
    assert finished.stderr == "A request may name any other model too.\n"


async def test_each_model_is_a_json_object_on_demand() -> None:
    """With --json a line is an object with every field, and null for what is unknown."""
    finished = await models(RESPONSE, "--json")
    large, small = map(json.loads, finished.stdout.splitlines())
    assert large == {
        "name": "large",
        "default": False,
        "description": "For hard\nquestions\x1b[2J",
        "abilities": ["chat", "tools"],
        "context_tokens": 128_000,
        "max_output_tokens": 16_384,
        "price": {"input": 0.15, "output": 0.6, "cached_input": 0.075},
        "serving": True,
    }
    assert small == {
        "name": "small",
        "default": True,
        "description": None,
        "abilities": [],
        "context_tokens": None,
        "max_output_tokens": None,
        "price": None,
        "serving": False,
    }


async def test_a_failure_is_a_line_and_1() -> None:
    """A call that fails prints one line and exits with 1."""
    finished = await models(None)
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: UNIMPLEMENTED")


async def test_no_server_is_a_line_and_1() -> None:
    """Where nothing listens, the line asks whether a server runs."""
    finished = await run(*TOKENWIRE, "models", "--address", "127.0.0.1:1")
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: UNAVAILABLE: is a tokenwire server running")
