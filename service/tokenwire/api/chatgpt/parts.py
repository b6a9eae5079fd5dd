"""Converts the parts of a request: images, audio and files."""

import re
from collections.abc import Sequence
from typing import Final

from tokenwire.api.chatgpt.sampling import check_name
from tokenwire.core.domain import Detail, Part, PartKind
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2 as pb

MAX_PARTS: Final = 128
"""The most parts of one turn."""
MAX_URL_BYTES: Final = 8_192
"""Enough for URLs with a signature."""

MEDIA_TYPES: Final = {
    PartKind.IMAGE: (
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "image/heic",
        "image/heif",
        "image/avif",
        "image/bmp",
        "image/tiff",
    ),
    PartKind.AUDIO: (
        "audio/wav",
        "audio/x-wav",
        "audio/mpeg",
        "audio/mp3",
        "audio/flac",
        "audio/ogg",
        "audio/opus",
        "audio/aac",
        "audio/mp4",
        "audio/webm",
        "audio/aiff",
    ),
    PartKind.FILE: (
        "application/pdf",
        "application/json",
        "application/xml",
        "application/rtf",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "text/plain",
        "text/markdown",
        "text/csv",
        "text/html",
        "text/xml",
    ),
}
"""The media types that a request may name. What one upstream supports is fewer."""

KINDS: Final = {name: kind for kind, names in MEDIA_TYPES.items() for name in names}
DETAILS: Final = {
    pb.DETAIL_UNSPECIFIED: None,
    pb.DETAIL_AUTO: Detail.AUTO,
    pb.DETAIL_LOW: Detail.LOW,
    pb.DETAIL_HIGH: Detail.HIGH,
}
URL: Final = re.compile(r"https?://[^\s/?#\x00-\x20\x7f]+[^\s\x00-\x20\x7f]*", re.IGNORECASE)
URL_RULE: Final = (
    f"must be an http or https URL without white space, of at most {MAX_URL_BYTES} bytes; "
    "set `inline` to send the data itself"
)


def to_parts(parts: Sequence[pb.Part], field: str) -> tuple[Part, ...]:
    """Return the parts of a message or a turn.

    Args:
        parts: The parts.
        field: The path of the list, for errors.

    Raises:
        InvalidParameter: There are too many, or one is invalid; the error names its field.
    """
    if len(parts) > MAX_PARTS:
        raise InvalidParameter(field, f"must hold at most {MAX_PARTS} items")
    return tuple(_part(part, f"{field}[{index}]") for index, part in enumerate(parts))


def _part(part: pb.Part, field: str) -> Part:
    # Read once: protobuf copies the bytes at each access.
    url, data = part.url, part.inline
    if not data:
        _check_url(url, field, has_inline=part.HasField("inline"))
    media_type = part.media_type.lower()
    if not media_type and data:
        raise InvalidParameter(f"{field}.media_type", "must be set with `inline`")
    kind = KINDS.get(media_type) if media_type else PartKind.IMAGE
    if kind is None:
        raise InvalidParameter(f"{field}.media_type", f"must be one of {', '.join(KINDS)}")
    if part.detail not in DETAILS:
        names = ", ".join(pb.Detail.keys())
        raise InvalidParameter(f"{field}.detail", f"must be one of {names}")
    if part.detail and kind is not PartKind.IMAGE:
        raise InvalidParameter(f"{field}.detail", "must be set for images only")
    name = part.name
    check_name(f"{field}.name", name)
    return Part(kind, media_type, url, data, name, DETAILS[part.detail])


def _check_url(url: str, field: str, *, has_inline: bool) -> None:
    if has_inline:
        raise InvalidParameter(f"{field}.inline", "must not be empty")
    if not url:
        raise InvalidParameter(field, "must have `url` or `inline` set")
    if len(url.encode()) > MAX_URL_BYTES or not URL.fullmatch(url):
        raise InvalidParameter(f"{field}.url", URL_RULE)
