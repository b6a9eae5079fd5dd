"""Converts the contents of a message: texts, images and files."""

import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Final

from tokenwire.api.chatgpt.parts import KINDS, MAX_URL_BYTES, MEDIA_TYPES
from tokenwire.core.domain import PartKind
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2
from tokenwire.xai.v1 import xai_pb2 as pb

DATA: Final = "data:"
SCHEMES: Final = ("http://", "https://")
IMAGE_DATA: Final = re.compile(r"data:([\w.+/-]{1,100});base64,")
"""The length of the type is limited because the address can have megabytes."""
IMAGE_RULE: Final = (
    f"must be an http or https URL of at most {MAX_URL_BYTES} bytes, or an image as "
    "data:TYPE;base64,DATA of one of the types " + ", ".join(MEDIA_TYPES[PartKind.IMAGE])
)
DETAILS: Final = {
    pb.DETAIL_INVALID: chatgpt_pb2.DETAIL_UNSPECIFIED,
    pb.DETAIL_AUTO: chatgpt_pb2.DETAIL_AUTO,
    pb.DETAIL_LOW: chatgpt_pb2.DETAIL_LOW,
    pb.DETAIL_HIGH: chatgpt_pb2.DETAIL_HIGH,
}


def to_content(contents: Iterable[pb.Content], field: str) -> tuple[str, list[chatgpt_pb2.Part]]:
    """Return the texts of a message as one, and its images and files.

    Args:
        contents: The contents of the message.
        field: The path of the list, for errors.

    Raises:
        InvalidParameter: A content is invalid; the error names it.
    """
    texts, parts = [], []
    for index, content in enumerate(contents):
        path = f"{field}[{index}]"
        match content.WhichOneof("content"):
            case "text":
                texts.append(content.text)
            case "image_url":
                parts.append(_image(content.image_url, f"{path}.image_url"))
            case "file":
                parts.append(_file(content.file, f"{path}.file"))
            case _:
                raise InvalidParameter(path, "must have `text`, `image_url` or `file` set")
    return "\n".join(filter(None, texts)), parts


def _image(image: pb.ImageUrlContent, field: str) -> chatgpt_pb2.Part:
    if image.detail not in DETAILS:
        names = ", ".join(pb.ImageDetail.keys())
        raise InvalidParameter(f"{field}.detail", f"must be one of {names}")
    detail = DETAILS[image.detail]
    url = image.image_url
    if not url.startswith(DATA):
        if len(url) > MAX_URL_BYTES or not url.lower().startswith(SCHEMES):
            raise InvalidParameter(f"{field}.image_url", IMAGE_RULE)
        return chatgpt_pb2.Part(url=url, detail=detail)
    head = IMAGE_DATA.match(url)
    if not head or KINDS.get(head[1].lower()) is not PartKind.IMAGE:
        raise InvalidParameter(f"{field}.image_url", IMAGE_RULE)
    try:
        data = b64decode(url[head.end() :], validate=True)
    except ValueError:
        raise InvalidParameter(f"{field}.image_url", "must have valid base64") from None
    if not data:
        raise InvalidParameter(f"{field}.image_url", "must not be empty")
    return chatgpt_pb2.Part(inline=data, media_type=head[1], detail=detail)


def _file(file: pb.FileContent, field: str) -> chatgpt_pb2.Part:
    if bool(file.data) is bool(file.url):
        raise InvalidParameter(field, "must have either `data` or `url` set")
    if file.mime_type.lower() not in KINDS:
        raise InvalidParameter(f"{field}.mime_type", f"must be one of {', '.join(KINDS)}")
    if file.data:
        return chatgpt_pb2.Part(inline=file.data, media_type=file.mime_type, name=file.filename)
    return chatgpt_pb2.Part(url=file.url, media_type=file.mime_type, name=file.filename)
