"""The upstream's URL is sent as configured, or rejected at startup."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect, text_of
from support.listening import listening
from support.process import ServerProcess, run_tokenwire
from tokenwire import config
from tokenwire.upstreams.openai.endpoint import Credentials, endpoint, headers
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "grpc_proxy", "OPENAI_PROXY")


async def ask(address: str, content: str = "hello") -> str:
    """Return the answer of the server at `address`; the call must succeed."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        return text_of(await collect(stub.Send(pb.Message(content=content))))


PATHS = [
    ("/v1", "/v1/chat/completions"),
    ("/v1/", "/v1/chat/completions"),
    ("/v1/chat/completions", "/v1/chat/completions"),
    ("/v1/chat/completions/", "/v1/chat/completions"),
    ("/v1/chat/completions?a=b", "/v1/chat/completions?a=b"),
    ("", "/chat/completions"),
    (
        "/a%2Fb/v1?api-version=1%2B2",
        "/a%2Fb/v1/chat/completions?api-version=1%2B2",
    ),
    ("/%7Eme/%c3%bc?q=a+b&c=%20|%27", "/%7Eme/%c3%bc/chat/completions?q=a+b&c=%20|%27"),
]


async def test_path_and_query_are_sent_as_written(
    start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """Path and query are sent unchanged, and the endpoint's path is not added twice."""
    for path, sent in PATHS:
        with subtests.test(path=path, sent=sent):
            before = upstream.requests_seen
            app = await start_app(base_url=upstream.base_url.removesuffix("/v1") + path)
            await ask(app.address)
            assert [request.path for request in upstream.requests[before:]] == [sent]


USERS = [("me:s%40cret", "me:s@cret"), ("me:", "me:"), ("me", "me:"), ("me:p%3Aw%C3%BC", "me:p:wü")]


async def test_user_and_password_are_sent_as_basic(
    start_app: StartApp, upstream: DemoUpstream, subtests: pytest.Subtests
) -> None:
    """User and password of the URL are decoded and sent as Authorization: Basic."""
    for user_info, sent in USERS:
        with subtests.test(user_info=user_info, sent=sent):
            before = upstream.requests_seen
            app = await start_app(base_url=upstream.base_url.replace("//", f"//{user_info}@"))
            await ask(app.address)
            [request] = upstream.requests[before:]
            assert (
                request.headers["authorization"]
                == f"Basic {base64.b64encode(sent.encode()).decode()}"
            )
            assert "@" not in request.headers["host"]


@pytest.mark.parametrize(
    ("base_url", "key", "said"),
    [
        ("http://me:canary@127.0.0.1:9/v1", "canary-key", "OPENAI_BASE_URL has a user or password"),
        ("http://127.0.0.1:9/v1#canary", "", "OPENAI_BASE_URL has a fragment"),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_the_start(
    base_url: str, key: str, said: str
) -> None:
    """A URL with a fragment, or with a password beside a key, is rejected with exit code 2."""
    env = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key}
    finished = await run_tokenwire("serve", env=env)
    assert finished.code == 2
    assert said in finished.stderr
    assert "canary" not in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("source", ["variable", "file"])
async def test_a_line_end_behind_the_key_is_not_part_of_it(
    start_app: StartApp,
    upstream: DemoUpstream,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
) -> None:
    """A CR LF at the end of the key, as editors write it, is not sent."""
    if source == "variable":
        monkeypatch.setenv("OPENAI_API_KEY", "key-1\r\n")
    else:
        (tmp_path / "OPENAI_API_KEY").write_bytes(b"key-1\r\n")
        monkeypatch.setenv("TOKENWIRE_SECRETS_DIR", str(tmp_path))
    app = await start_app()
    await ask(app.address)
    assert upstream.requests[0].headers["authorization"] == "Bearer key-1"


@pytest.fixture
async def local_port(upstream: DemoUpstream, request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """A port on a single loopback address that forwards to the upstream."""
    address: str = request.param
    target = upstream.base_url.split("/")[2].split(":")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*target)
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    async with listening(forward, address, family=family) as (_, port):
        yield port


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of the stream."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
    finally:
        writer.close()


@pytest.mark.parametrize("local_port", ["127.0.0.1", "::1"], indirect=True)
async def test_localhost_is_either_loopback_address(start_app: StartApp, local_port: int) -> None:
    """An upstream that listens on only one loopback address is reachable as localhost."""
    app = await start_app(base_url=f"http://localhost:{local_port}/v1")
    assert await ask(app.address)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_proxies_of_the_environment_have_no_effect(
    upstream: DemoUpstream, scheme: str
) -> None:
    """The server connects to its upstream directly, whatever proxy the environment sets."""
    env = {
        **dict.fromkeys(PROXIES, f"{scheme}://127.0.0.1:1"),
        "OPENAI_BASE_URL": upstream.base_url,
    }
    async with ServerProcess(env=env) as server:
        # The client runs in this process, which has another environment.
        assert await ask(server.address)
        assert not [line for line in server.log_lines if "proxy" in line.lower()]


async def test_a_proxy_never_sees_the_key(start_app: StartApp) -> None:
    """The proxy of an HTTPS upstream receives the host name, but no credentials of the upstream."""
    heads = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    async with listening(refuse) as (host, port):
        app = await start_app(
            base_url="https://upstream.test/v1",
            api_key="canary-key",
            organization="canary-organization",
            proxy=f"http://me:pass@{host}:{port}",
        )
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(app.address)
    [head] = heads
    assert head.startswith("CONNECT upstream.test:443 ")
    assert "canary" not in head
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:pass').decode()}" in head


def test_the_endpoint_holds_no_credentials() -> None:
    """User and password are removed from the URL of the endpoint."""
    base_url = str(config.load(base_url="http://me:s%40cret@host/v1").base_url)
    assert str(endpoint(base_url)) == "http://host/v1/chat/completions"
    assert "authorization" not in headers("http://host/v1", Credentials())
