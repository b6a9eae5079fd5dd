import json
import re
from collections.abc import Sequence

import grpc

from tokenwire_client.version import __version__

Option = tuple[str, str | int]

LOOPBACK = re.compile(r"127(\.\d{1,3}){3}|\[::1\]|ipv4:127(\.\d{1,3}){3}|ipv6:\[::1\]")
"""Hosts that mean this machine, as gRPC's targets name them."""

# Core allows no more; it would quietly lower a larger number.
MOST_ATTEMPTS = 5


def open_channel(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    max_attempts: int,
    options: Sequence[Option],
) -> grpc.aio.Channel:
    """Open a channel that suits a long-lived client of streamed answers.

    Args:
        target: Where the servers are, as gRPC names it: `host:port`, or
            `dns:///host:port` for every address behind a name.
        credentials: For TLS; plaintext without.
        max_attempts: How often one call is tried, 1 to 5.
        options: Channel options of gRPC Core; they win over the ones set here.
    """
    # As a dict, because of two values for one option Core takes the first.
    defaults = {**_default_options(max_attempts), **proxy_options(target)}
    chosen = list({**defaults, **dict(options)}.items())
    if credentials is None:
        return grpc.aio.insecure_channel(target, chosen)
    return grpc.aio.secure_channel(target, credentials, chosen)


def proxy_options(target: str) -> dict[str, str | int]:
    """Return the channel options that keep calls to this machine away from `http_proxy`."""
    host, _, _ = target.removeprefix("dns:///").removeprefix("dns:").rpartition(":")
    if host == "localhost" or LOOPBACK.fullmatch(host):
        return {"grpc.enable_http_proxy": 0}
    return {}


def _default_options(max_attempts: int) -> dict[str, str | int]:
    return {
        "grpc.primary_user_agent": f"tokenwire-python/{__version__}",
        "grpc.service_config": json.dumps(_service_config(max_attempts)),
        # Finds a dead server within 80 s, and keeps NATs and load balancers (the
        # strictest common ones forget a silent connection after minutes) from
        # dropping an answer whose first token takes long.
        "grpc.keepalive_time_ms": 60_000,
        # Not grpc.keepalive_timeout_ms: Core waits for this one as well, and its
        # default is a minute.
        "grpc.http2.ping_timeout_ms": 20_000,
        # Pings only while a call runs: many servers punish idle pings.
        "grpc.keepalive_permit_without_calls": 0,
        # A client sends no data during an answer, and Core would stop pinging
        # after two pings without any.
        "grpc.http2.max_pings_without_data": 0,
    }


def _service_config(max_attempts: int) -> dict[str, object]:
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if max_attempts > 1:
        # gRPC retries only calls that got no response headers, and the server
        # sends none before the first token: no answer is ever paid for twice.
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
        # While more than a few calls fail, retries would only feed the fire.
        config["retryThrottling"] = {"maxTokens": 10, "tokenRatio": 0.1}
    return config
