"""Signs requests to AWS, or adds the key that takes the place of a signature.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html
"""

import hashlib
from typing import Any, Final

from aiohttp.payload import Payload
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tokenwire.core.json_pieces import pieces
from tokenwire.core.large_work import next_step

SERVICE: Final = "bedrock"
CONTENT_HASH: Final = "X-Amz-Content-SHA256"


class AwsSigner:
    """Makes the headers with which AWS accepts requests.

    Args:
        key: A Bedrock API key, or an access key with its secret and, if it has one, its session
            token, with colons between them.
        region: The region that signatures are for.
    """

    def __init__(self, key: str, region: str) -> None:
        self._key = key
        self._auth: SigV4Auth | None = None
        if ":" in key:
            self._auth = SigV4Auth(Credentials(*key.split(":")), SERVICE, region)

    async def sign(
        self, url: str, headers: dict[str, str], body: bytes | Payload, payload: dict[str, Any]
    ) -> dict[str, str]:
        """Return the headers of a POST request.

        Args:
            url: The encoded URL.
            headers: Headers to sign.
            body: The body.
            payload: The value that the body is the JSON of.
        """
        if self._auth is None:
            return {**headers, "authorization": f"Bearer {self._key}"}
        digest = await _digest(body, payload)
        request = AWSRequest("POST", url, headers={**headers, CONTENT_HASH: digest})
        self._auth.add_auth(request)
        # The client knows other headers by their names in lower case.
        return {name.lower(): value for name, value in request.headers.items()}


async def _digest(body: bytes | Payload, payload: dict[str, Any]) -> str:
    """Return the SHA-256 of a body in hexadecimal digits."""
    if isinstance(body, bytes):
        return hashlib.sha256(body).hexdigest()
    digest = hashlib.sha256()
    for piece in pieces(payload):
        digest.update(piece)
        await next_step()
    return digest.hexdigest()
