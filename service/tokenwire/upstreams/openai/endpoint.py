"""The URL and the headers of requests to the upstream."""

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import yarl

from tokenwire import __version__

CHAT_PATH: Final = "/chat/completions"
RESPONSES_PATH: Final = "/responses"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The service's credentials at the upstream. Empty fields are not sent."""

    api_key: str = field(default="", repr=False)
    organization: str = ""
    project: str = ""


def endpoint(base_url: str, path: str = CHAT_PATH) -> yarl.URL:
    """Return the URL of `path` below `base_url`, which may already end in the path of a dialect.

    The encoding of the path and the query is preserved. User and password are removed.
    """
    return _url(base_url, _base_path(base_url) + path)


def root_endpoint(base_url: str, path: str) -> yarl.URL:
    """Return the URL of `path` beside the API at `base_url`, whose path ends in `/v1`."""
    return _url(base_url, _base_path(base_url).removesuffix("/v1") + path)


def _base_path(base_url: str) -> str:
    path = urlsplit(base_url).path.rstrip("/")
    return path.removesuffix(CHAT_PATH).removesuffix(RESPONSES_PATH).rstrip("/")


def _url(base_url: str, path: str) -> yarl.URL:
    parts = urlsplit(base_url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, fragment="")
    # Marked as encoded, so that yarl does not normalize it, for example an encoded slash.
    return yarl.URL(bare.geturl(), encoded=True)


def headers(base_url: str, credentials: Credentials) -> dict[str, str]:
    """Return the headers of every request.

    The key is sent as a bearer token, and also as `api-key` if the base URL has an `api-version`
    parameter, as Azure's does. Without a key, the base URL's user and password are sent.
    """
    parts = urlsplit(base_url)
    result = {
        "user-agent": f"tokenwire/{__version__}",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }
    if credentials.api_key:
        result["authorization"] = f"Bearer {credentials.api_key}"
        if "api-version" in parse_qs(parts.query, keep_blank_values=True):
            result["api-key"] = credentials.api_key
    elif parts.username or parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        result["authorization"] = f"Basic {encoded}"
    if credentials.organization:
        result["openai-organization"] = credentials.organization
    if credentials.project:
        result["openai-project"] = credentials.project
    return result
