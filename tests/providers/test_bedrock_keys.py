"""How requests to Bedrock are signed, and which settings say the key and the region."""

import json
from pathlib import Path

import grpc
import pytest

from support.app import MODEL
from support.aws_signature import headers_of, is_signed
from support.bedrock_wire import BEDROCK, REGION
from support.gateway import HELLO
from support.process import ServerProcess
from support.providers import provider_player
from support.raw_upstream import raw_upstream
from tokenwire import config
from tokenwire.app import App
from tokenwire.config import SettingsError
from tokenwire.config.providers import BedrockSettings
from tokenwire.upstreams.build import build_model
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's example
SCOPE = f"{REGION}/bedrock"
TOKEN = "session+canary=="  # noqa: S105 - no secret
ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.a.b-v1:0"
ANSWER = BEDROCK.answer(*BEDROCK.body("hi"), BEDROCK.end())


def use_access_key(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set an access key in place of a Bedrock API key, for servers that start later."""
    monkeypatch.setitem(BEDROCK.variables, "AWS_BEARER_TOKEN_BEDROCK", "")
    variables = {"ACCESS_KEY_ID": ACCESS_KEY, "SECRET_ACCESS_KEY": SECRET, **variables}
    for name, value in variables.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.mark.parametrize("content", ["hello", "Zoë \u2028" * 100_000], ids=["small", "large"])
async def test_a_request_is_signed(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own steps of verification accept the signature of a request, also of a large one."""
    use_access_key(monkeypatch)
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        for model in ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", ARN):
            message = pb.Message(content=content, params=pb.Params(model=model))
            got = await upstream.play(ANSWER, message)
            assert got.text == "hi", upstream.error
            head, body = upstream.upstream.head, upstream.upstream.body
            assert BEDROCK.model_of(head, body) == model
            assert is_signed(head, body, ACCESS_KEY, SECRET, SCOPE)
            assert not is_signed(head, body, ACCESS_KEY, "other", SCOPE)
            assert not is_signed(head, body + b" ", ACCESS_KEY, SECRET, SCOPE)
            assert "x-amz-security-token" not in headers_of(head)
            assert SECRET.encode() not in head + body


async def test_a_temporary_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session token of a temporary key is sent, and signed."""
    use_access_key(monkeypatch, SESSION_TOKEN=TOKEN)
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        await upstream.play(ANSWER)
        head = upstream.upstream.head
        assert headers_of(head)["x-amz-security-token"] == TOKEN
        assert is_signed(head, upstream.upstream.body, ACCESS_KEY, SECRET, SCOPE)


@pytest.mark.parametrize("token", ["", f":{TOKEN}"])
async def test_a_key_of_the_gateway_file(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key with colons is an access key, and signs the requests of its upstream."""
    monkeypatch.setenv("GATEWAY_KEY", f"{ACCESS_KEY}:{SECRET}{token}")
    async with raw_upstream() as upstream:
        upstream.pieces, upstream.keep_body = ANSWER, True
        own = {
            "provider": "bedrock",
            "base_url": upstream.base_url.removesuffix("/v1"),
            "region": "us-west-2",
            "keys": ["env:GATEWAY_KEY"],
        }
        file = {"upstreams": {"own": own}, "models": {"fast": {"routes": ["own/a.b"]}}}
        path = tmp_path / "gateway.yaml"
        path.write_text(json.dumps(file))
        settings = config.load(config=path, listen="127.0.0.1:0", metrics_listen="127.0.0.1:0")
        async with App(settings) as app, grpc.aio.insecure_channel(app.address) as channel:
            answer = await chatgpt_pb2_grpc.ChatgptStub(channel).Ask(HELLO)
        assert answer.content == "hi"
        assert is_signed(upstream.head, upstream.body, ACCESS_KEY, SECRET, "us-west-2/bedrock")
        sent = headers_of(upstream.head).get("x-amz-security-token", "")
        assert sent == token.removeprefix(":")


@pytest.mark.slow
async def test_the_log_has_no_key() -> None:
    """At the most detailed level, the log has neither the parts of a key nor a signature."""
    async with raw_upstream() as upstream:
        upstream.pieces = ANSWER
        env = {
            "TOKENWIRE_PROVIDER": "bedrock",
            "TOKENWIRE_MODEL": "a.b",
            "TOKENWIRE_LOG_LEVEL": "debug",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": upstream.base_url.removesuffix("/v1"),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
        }
        async with (
            ServerProcess(env=env) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            assert (await chatgpt_pb2_grpc.ChatgptStub(channel).Ask(HELLO)).content == "hi"
            await server.logged("call ended")
            log = "\n".join(server.log_lines)
        assert headers_of(upstream.head)["x-amz-security-token"] == TOKEN
        signature = headers_of(upstream.head)["authorization"].rpartition("=")[2]
        assert [each for each in (ACCESS_KEY, SECRET, TOKEN, signature) if each in log] == []


@pytest.mark.parametrize("key", ["AKIDEXAMPLE:", ":secret", "AKIDEXAMPLE:secret:", "a:b:c:d"])
def test_a_key_of_no_form(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is no access key and no API key stops the start, and is not shown."""
    for name, value in {"BEARER_TOKEN_BEDROCK": key, "REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(SettingsError) as caught:
        build_model(config.load(provider="bedrock", model=MODEL))
    [problem] = caught.value.problems
    assert problem.startswith("AWS_BEARER_TOKEN_BEDROCK: must be a Bedrock API key, or ")
    assert key not in problem


@pytest.mark.parametrize("name", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"])
def test_a_part_of_a_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of an access key is no key, and never sent as one."""
    for variable, value in {name: "a", "REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{variable}", value)
    assert not BedrockSettings().key
    with pytest.raises(SettingsError) as caught:
        build_model(config.load(provider="bedrock", model=MODEL))
    [problem] = caught.value.problems
    assert problem.startswith("AWS_BEARER_TOKEN_BEDROCK is not set")


def test_a_key_with_a_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of an access key are not confused with each other."""
    for variable, value in {"ACCESS_KEY_ID": "a:", "SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(f"AWS_{variable}", value)
    monkeypatch.setenv("AWS_REGION", REGION)
    with pytest.raises(SettingsError) as caught:
        build_model(config.load(provider="bedrock", model=MODEL))
    assert caught.value.problems == ["AWS_ACCESS_KEY_ID: must have no colon"]


def test_the_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a region and an address that names it, the server does not start."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key")
    for address in ("", "http://proxy.internal"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
        with pytest.raises(SettingsError) as caught:
            build_model(config.load(provider="bedrock", model=MODEL))
        assert caught.value.problems == [
            "AWS_REGION is not set; set it to the region of the upstream, such as eu-central-1"
        ]


@pytest.mark.parametrize(
    ("variables", "address", "region"),
    [
        (
            {"REGION": "eu-central-1"},
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
            "eu-central-1",
        ),
        (
            {"DEFAULT_REGION": "us-west-2"},
            "https://bedrock-runtime.us-west-2.amazonaws.com",
            "us-west-2",
        ),
        (
            {
                "ENDPOINT_URL_BEDROCK_RUNTIME": "https://bedrock-runtime-fips.us-east-1.amazonaws.com"
            },
            "https://bedrock-runtime-fips.us-east-1.amazonaws.com/",
            "us-east-1",
        ),
        (
            {
                "ENDPOINT_URL_BEDROCK_RUNTIME": (
                    "https://vpce-1-a.bedrock-runtime.eu-west-1.vpce.amazonaws.com"
                )
            },
            "https://vpce-1-a.bedrock-runtime.eu-west-1.vpce.amazonaws.com/",
            "eu-west-1",
        ),
        (
            {"ENDPOINT_URL_BEDROCK_RUNTIME": "http://proxy", "REGION": "eu-west-3"},
            "http://proxy/",
            "eu-west-3",
        ),
    ],
)
def test_the_address_and_the_region(
    variables: dict[str, str], address: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The region makes the address, or AWS's address names the region."""
    for name, value in variables.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    settings = BedrockSettings()
    assert (settings.address, settings.signing_region) == (address, region)
