"""The three wheels, each installed with only its locked dependencies."""

import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from support.app import StartApp
from support.fenced import fenced
from support.programs import ROOT, run
from support.scripted_server import ScriptedServer, says
from support.wheels import PACKAGES, Environment, build
from tokenwire import __version__
from tokenwire_client import Usage
from tokenwire_client.v1 import chatgpt_pb2_grpc

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CLIENT_TESTS = sorted(map(str, (ROOT / "tests").glob("test_client*.py")))
CLIENT_DOC = (ROOT / "docs" / "python-client.md").read_text("utf-8")
ANSWER = "This is tokenwire's built-in demo model"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def client(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("client")
    return Environment(folder, [wheels["tokenwire-client"]], ["client/requirements.lock"])


@pytest.fixture(scope="module")
def server(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The server as in production, without the simulator."""
    ours = [wheels["tokenwire-client"], wheels["tokenwire"]]
    return Environment(tmp_path_factory.mktemp("server"), ours, ["requirements.lock"])


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_has_its_package_its_types_and_its_licence(
    name: str, wheels: dict[str, Path]
) -> None:
    """Each wheel has one import package of its name, its types, the license and the version."""
    package = name.replace("-", "_")
    with zipfile.ZipFile(wheels[name]) as wheel:
        names = wheel.namelist()
        [licence] = [path for path in names if path.endswith("licenses/LICENSE")]
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    info = f"{package}-{__version__}.dist-info"
    assert {path.partition("/")[0] for path in names} == {package, info}
    assert f"{package}/py.typed" in names


def test_all_wheels_ask_for_the_same_version() -> None:
    """The server requires exactly the client and simulator versions of the same release."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"tokenwire-client=={__version__}" in project["dependencies"]
    assert project["optional-dependencies"]["demo"] == [f"tokenwire-demo=={__version__}"]


def test_the_client_is_small(client: Environment) -> None:
    """The client is below 250 kB, and with all that it needs as large as its page says."""
    sizes = client.packages()
    needed = {"grpcio", "protobuf", "googleapis-common-protos", "typing-extensions"}
    assert set(sizes) == needed | {"tokenwire-client"}
    assert sizes["tokenwire-client"] < 250_000
    total = sum(sizes.values())
    assert total < 30_000_000
    assert f"five packages, {total / 1e6:.0f} MB" in CLIENT_DOC


def test_the_clients_bounds_are_those_of_its_stubs() -> None:
    """The client's lower bounds are the oldest gRPC and protobuf that its stubs accept."""
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text("utf-8"))["project"]
    needs = {need.name: need.specifier for need in map(Requirement, project["dependencies"])}
    stubs = (ROOT / "client" / "tokenwire_client" / "v1" / "chatgpt_pb2.py").read_text("utf-8")
    [protobuf] = re.findall(r"^# Protobuf Python Version: (.*)$", stubs, re.MULTILINE)
    oldest = {"grpcio": chatgpt_pb2_grpc.GRPC_GENERATED_VERSION, "protobuf": protobuf}
    for name, version in oldest.items():
        assert f">={version}" in str(needs[name])
    # protobuf guarantees that stubs work until the end of the next major version.
    assert Version(f"{Version(protobuf).major + 1}.99") in needs["protobuf"]
    assert Version(f"{Version(protobuf).major + 2}.0") not in needs["protobuf"]


async def test_the_client_needs_nothing_else(client: Environment) -> None:
    """The example program runs in an environment with only the client."""
    usage = Usage(input_tokens=1, output_tokens=2)
    program = ROOT / "examples" / "python" / "client.py"
    async with ScriptedServer(says("blue ", "light", usage=usage)) as scripted:
        done = await run(client.bin / "python", program, scripted.address, "Why?")
    assert done.code == 0, done.stderr
    assert done.stdout == "blue light\n[1 tokens in, 2 out]\n"


async def test_the_extras_are_asked_for(client: Environment) -> None:
    """Without its packages, the module of an extra says how to install them."""
    for module, extra in {"functions": "pydantic", "langchain": "langchain"}.items():
        done = await run(client.bin / "python", "-c", f"import tokenwire_client.{module}")
        assert done.code == 1
        assert f'pip install "tokenwire-client[{extra}]"' in done.stderr


async def test_the_clients_readme_works(client: Environment) -> None:
    """The programs in the client's README, with and without asyncio, print the answer."""
    programs = fenced((ROOT / "client" / "README.md").read_text("utf-8"), "python")
    *plain, _, _ = programs
    assert len(plain) == 2
    async with ScriptedServer(says("blue ", "light")) as scripted:
        for program in plain:
            pointed = program.replace("localhost:50051", scripted.address)
            done = await run(client.bin / "python", "-c", pointed)
            assert (done.code, done.stdout, done.stderr) == (0, "blue light", "")


async def test_the_clients_readme_works_with_pydantic(start_app: StartApp) -> None:
    """The program with functions and classes prints what the demo model answers."""
    *_, program, _ = fenced((ROOT / "client" / "README.md").read_text("utf-8"), "python")
    app = await start_app()
    done = await run(sys.executable, "-c", program.replace("localhost:50051", app.address))
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "city='simulated' rains=True\n"


async def test_the_clients_readme_works_with_langchain(start_app: StartApp) -> None:
    """The program with the chat model prints what the demo model answers."""
    *_, program = fenced((ROOT / "client" / "README.md").read_text("utf-8"), "python")
    app = await start_app()
    done = await run(sys.executable, "-c", program.replace("localhost:50051", app.address))
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(ANSWER)


async def test_the_clients_tests_pass_with_the_wheel(client: Environment) -> None:
    """The client's tests pass with the installed wheel."""
    env = {"PYTHONPATH": str(client.site)}
    which = await run(
        *(sys.executable, "-c", "import tokenwire_client; print(tokenwire_client.__file__)"),
        env=env,
    )
    assert which.stdout.startswith(str(client.site))
    pytest_ = (sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider")
    done = await run(*pytest_, *CLIENT_TESTS, env=env, within=240)
    assert done.code == 0, done.stdout


async def test_the_simulator_runs_alone(wheels: dict[str, Path], tmp_path: Path) -> None:
    """The simulator depends on h11, and not on tokenwire."""
    alone = Environment(tmp_path, [wheels["tokenwire-demo"]], ["demo/requirements.lock"])
    assert set(alone.packages()) == {"h11", "tokenwire-demo"}
    done = await run(alone.bin / "tokenwire-demo", "--list-scenarios")
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("| Scenario |")


async def test_the_server_runs_without_the_simulator(server: Environment) -> None:
    """Without the extra, `serve` starts, and `serve --demo` names the extra."""
    assert "tokenwire-demo" not in server.packages()
    begun = await run(server.bin / "tokenwire", "serve")
    assert begun.code == 2
    assert "OPENAI_API_KEY" in begun.stderr
    refused = await run(server.bin / "tokenwire", "serve", "--demo")
    assert refused.code == 2
    assert "pip install 'tokenwire[demo]'" in refused.stderr


async def test_the_demo_runs_from_the_wheels(wheels: dict[str, Path], tmp_path: Path) -> None:
    """With the extra, `tokenwire demo` streams its answer."""
    locks = ("requirements.lock", "demo/requirements.lock")
    demo = Environment(tmp_path, wheels.values(), locks)
    done = await run(demo.bin / "tokenwire", "demo", within=120)
    assert done.code == 0, done.stderr
    assert ANSWER in done.stdout
    assert done.stdout.endswith("stopped cleanly\n")
