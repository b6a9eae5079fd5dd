"""Opens the channel of a client, with options for long streams."""

import json
import re
from collections.abc import Sequence
from typing import TypeAlias

import grpc

from tokenwire_client.version import __version__

Option = tuple[str, str | int]
SyncInterceptor: TypeAlias = grpc.UnaryUnaryClientInterceptor | grpc.UnaryStreamClientInterceptor

LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|\[::1\]|ipv4:127(\.\d{1,3}){3}|ipv6:\[::1\]")
"""The loopback hosts in gRPC targets."""

MAX_ATTEMPTS = 5
"""The limit of gRPC Core, which reduces larger values without an error."""
DEFAULT_ATTEMPTS = 4
"""The default. The waits in between take more than a second together, in which a server that stops
rejects calls and closes its connections."""


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    max_attempts: int,
    options: Sequence[Option],
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> grpc.aio.Channel:
    """Return a channel for a long-lived client of streamed answers.

    Args:
        target: The gRPC target of the servers: `host:port`, or `dns:///host:port`
            for all addresses of a name.
        credentials: The TLS credentials; None for plaintext.
        max_attempts: The most attempts of one call, 1 to MAX_ATTEMPTS.
        options: Channel options of gRPC Core. They override those that are set here.
        interceptors: What surrounds each call, the outermost first.
    """
    chosen = _channel_options(target, max_attempts, options)
    # By name, because OpenTelemetry's instrumentation adds its own to this argument.
    if credentials is None:
        return grpc.aio.insecure_channel(target, chosen, interceptors=list(interceptors))
    return grpc.aio.secure_channel(target, credentials, chosen, interceptors=list(interceptors))


def open_sync_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    max_attempts: int,
    options: Sequence[Option],
    interceptors: Sequence[SyncInterceptor] = (),
) -> grpc.Channel:
    """Return a channel for calls that block; see `open_channel`."""
    chosen = _channel_options(target, max_attempts, options)
    if credentials is None:
        channel = grpc.insecure_channel(target, chosen)
    else:
        channel = grpc.secure_channel(target, credentials, chosen)
    return grpc.intercept_channel(channel, *interceptors) if interceptors else channel


def check_attempts(max_attempts: int) -> None:
    """Check the number of attempts.

    Raises:
        ValueError: The number is out of range.
    """
    if not 1 <= max_attempts <= MAX_ATTEMPTS:
        raise ValueError(f"max_attempts is {max_attempts}; it must be 1 to {MAX_ATTEMPTS}")


def _channel_options(target: str, max_attempts: int, options: Sequence[Option]) -> list[Option]:
    # A dict, because Core uses the first of two values of one option.
    defaults = {**_default_options(max_attempts), **proxy_options(target)}
    return list({**defaults, **dict(options)}.items())


def proxy_options(target: str) -> dict[str, str | int]:
    """Return the channel options that make loopback targets ignore `http_proxy`."""
    host, _, _ = target.removeprefix("dns:///").removeprefix("dns:").rpartition(":")
    if host == "localhost" or LOOPBACK.fullmatch(host):
        return {"grpc.enable_http_proxy": 0}
    return {}


def _default_options(max_attempts: int) -> dict[str, str | int]:
    return {
        "grpc.primary_user_agent": f"tokenwire-python/{__version__}",
        "grpc.service_config": json.dumps(_service_config(max_attempts)),
        # Detects a dead server within 80 s. The pings also keep NATs and load
        # balancers, some of which drop idle connections after a few minutes, from
        # dropping an answer whose first token takes long.
        "grpc.keepalive_time_ms": 60_000,
        # grpc.keepalive_timeout_ms is not enough: Core also waits for this timeout,
        # whose default is one minute.
        "grpc.http2.ping_timeout_ms": 20_000,
        # By default, Core resolves a name again after 30 s at the earliest. A client whose
        # servers have all been replaced meanwhile would fail its calls until then.
        "grpc.dns_min_time_between_resolutions_ms": 1_000,
        # Many servers close connections that ping without a call.
        "grpc.keepalive_permit_without_calls": 0,
        # A client sends no data during an answer. By default, Core stops after two
        # pings without data.
        "grpc.http2.max_pings_without_data": 0,
    }


def _service_config(max_attempts: int) -> dict[str, object]:
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if max_attempts > 1:
        # gRPC retries only calls that have received no response headers, and the
        # server sends them with the first token. After the model has begun to answer,
        # the server reports ABORTED, which is not retried. So no answer is paid twice.
        config["methodConfig"] = [
            {
                "name": [{"service": "openai.Chatgpt"}],
                "retryPolicy": {
                    "maxAttempts": max_attempts,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
        # Stops retries while many calls fail, because they would add to the overload. The 100
        # answers of a connection fail at once if its server is killed, and each takes a token;
        # calls are still sent again while more than half of the tokens are left.
        config["retryThrottling"] = {"maxTokens": 250, "tokenRatio": 0.1}
    return config
