"""Verifies signatures of AWS, version 4, as AWS's documentation describes them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import re
from hashlib import sha256
from urllib.parse import quote

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)


def headers_of(head: bytes) -> dict[str, str]:
    """Return the headers of a request by their names in lower case."""
    lines = head.decode().split("\r\n")[1:-2]
    pairs = (line.split(": ", 1) for line in lines)
    return {name.lower(): value for name, value in pairs}


def is_signed(head: bytes, body: bytes, key_id: str, secret: str, scope: str) -> bool:
    """Report whether the signature of a request is this key's, for this REGION/SERVICE."""
    method, path, _ = head.decode().split("\r\n")[0].split(" ")
    headers = headers_of(head)
    found = AUTHORIZATION.fullmatch(headers["authorization"])
    assert found, headers["authorization"]
    owner, day, region, service, names, signature = found.groups()
    assert (owner, f"{region}/{service}") == (key_id, scope)
    assert {"host", "x-amz-date"} <= set(names.split(";"))
    assert all(name in names.split(";") for name in headers if name.startswith("x-amz-"))
    canonical = [
        method,
        "/".join(quote(segment, safe="-_.~") for segment in path.split("/")),
        "",
        *(f"{name}:{headers[name].strip()}" for name in names.split(";")),
        "",
        names,
        sha256(body).hexdigest(),
    ]
    text = [
        "AWS4-HMAC-SHA256",
        headers["x-amz-date"],
        f"{day}/{region}/{service}/aws4_request",
        sha256("\n".join(canonical).encode()).hexdigest(),
    ]
    key = f"AWS4{secret}".encode()
    for each in (day, region, service, "aws4_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    return hmac.digest(key, "\n".join(text).encode(), "sha256").hex() == signature
