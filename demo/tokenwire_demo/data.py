"""Describes the images, audio and files of a message."""

import binascii
from base64 import b64decode
from typing import Any

_MAX_URL_LENGTH = 100
_SCHEME = "data:"


def descriptions(content: Any) -> tuple[str, ...]:
    """Return the media type and the size, or the address, of each part that is not text."""
    if not isinstance(content, list):
        return ()
    return tuple(
        _description(part)
        for part in content
        if isinstance(part, dict) and part.get("type") != "text"
    )


def _description(part: dict[str, Any]) -> str:
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _location("image", url)
        case {"type": "audio_url", "audio_url": {"url": str(url)}}:
            return _location("audio", url)
        case {"type": "file", "file": {"file_data": str(url)}}:
            return _location("file", url)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(name)}}:
            return _data("audio", f"audio/{name}", data)
    return "unknown part"


def _location(kind: str, url: str) -> str:
    if not url.startswith(_SCHEME):
        return f"{kind} at {url[:_MAX_URL_LENGTH]}"
    media_type, _, data = url.removeprefix(_SCHEME).partition(";base64,")
    return _data(kind, media_type, data)


def _data(kind: str, media_type: str, data: str) -> str:
    try:
        size = len(b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"{kind} that is not base64"
    return f"{kind} of type {media_type}, {size:,} bytes"
