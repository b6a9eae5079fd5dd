"""Where requests go and what they say of who asks."""

import base64
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import yarl

from tokenwire import __version__

PATH: Final = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks; what is empty is not sent."""

    api_key: str = field(default="", repr=False)
    organization: str = ""
    project: str = ""


def endpoint(base_url: str) -> yarl.URL:
    """Return the URL of the chat completions below `base_url`, or the same if it is that.

    Path and query stay as they are written; user and password are left out.
    """
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/").removesuffix(PATH) + PATH
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=path, fragment="")
    # Encoded, so that nothing in it is read and written anew, such as an encoded slash.
    return yarl.URL(bare.geturl(), encoded=True)


def headers(base_url: str, credentials: Credentials) -> dict[str, str]:
    """Return the headers of every request.

    The key goes as a bearer token, and also as `api-key` where the base URL names an
    `api-version`, as Azure's does. Without a key, the base URL's user and password go.
    """
    parts = urlsplit(base_url)
    made = {
        "user-agent": f"tokenwire/{__version__}",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
    }
    if credentials.api_key:
        made["authorization"] = f"Bearer {credentials.api_key}"
        if "api-version" in parse_qs(parts.query, keep_blank_values=True):
            made["api-key"] = credentials.api_key
    elif parts.username or parts.password:
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        made["authorization"] = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    if credentials.organization:
        made["openai-organization"] = credentials.organization
    if credentials.project:
        made["openai-project"] = credentials.project
    return made
