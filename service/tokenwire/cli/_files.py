"""Options whose value is the name of a file."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenwire.cli._values import unicode
from tokenwire.config.regular_files import read_regular

MAX_IMAGE_BYTES: Final = 20_971_520
"""The server's default limit of a request."""
IMAGE_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image to send.

    Attributes:
        media_type: The media type, such as `image/png`.
        data: The content of the file.
    """

    media_type: str
    data: bytes


def image(name: str) -> Image:
    """Read an image file. Its suffix determines the media type.

    Raises:
        argparse.ArgumentTypeError: The file cannot be read or is no image.
    """
    media_type = IMAGE_TYPES.get(Path(name).suffix.lower())
    if media_type is None:
        known = ", ".join(suffix.removeprefix(".") for suffix in IMAGE_TYPES)
        raise argparse.ArgumentTypeError(f"{name!r} does not end with one of {known}")
    data = _read(name, MAX_IMAGE_BYTES)
    if not data:
        raise argparse.ArgumentTypeError(f"{name!r} is empty")
    return Image(media_type, data)


@dataclass(frozen=True, slots=True)
class ToolFile:
    """A tool that the model may call.

    Attributes:
        name: The name.
        description: What the tool does, for the model.
        parameters: The JSON Schema of the arguments, or empty.
    """

    name: str
    description: str
    parameters: str


def tool(name: str) -> ToolFile:
    """Read a tool from a JSON file: `name`, `description` and `parameters`.

    They may also be below `function`, as in OpenAI's API.

    Raises:
        argparse.ArgumentTypeError: The file cannot be read or has no tool.
    """
    try:
        value = json.loads(text_file(name))
    except (ValueError, RecursionError):
        raise argparse.ArgumentTypeError(f"{name!r} is not valid JSON") from None
    fields = value.get("function", value) if isinstance(value, dict) else None
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        raise argparse.ArgumentTypeError(f"{name!r} is not an object with a `name`")
    description, schema = fields.get("description", ""), fields.get("parameters")
    if not isinstance(description, str):
        raise argparse.ArgumentTypeError(f"{name!r}: `description` is not a string")
    return ToolFile(fields["name"], description, "" if schema is None else json.dumps(schema))


def tool_result(text: str) -> tuple[str, str]:
    """Split NAME=TEXT.

    Raises:
        argparse.ArgumentTypeError: The text has no name.
    """
    name, separator, result = unicode(text).partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TEXT")
    return name, result


def text_file(name: str) -> str:
    """Read a text file.

    Raises:
        argparse.ArgumentTypeError: The file cannot be read or is not valid UTF-8.
    """
    try:
        return _read(name).decode()
    except UnicodeDecodeError as error:
        message = f"{name!r} is not valid UTF-8 at byte {error.start}"
        raise argparse.ArgumentTypeError(message) from None


def _read(name: str, *max_bytes: int) -> bytes:
    try:
        return read_regular(Path(name), *max_bytes)
    except (OSError, ValueError) as error:
        # A ValueError is a null byte in the name.
        reason = error.strerror if isinstance(error, OSError) else error
        raise argparse.ArgumentTypeError(f"cannot read {name!r}: {reason}") from None
