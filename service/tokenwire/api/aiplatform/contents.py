"""Converts the content of a message: a text, or texts with images, audio and files."""

import re
from base64 import b64decode
from typing import Any, Final

from tokenwire.api.aiplatform.members import JsonMembers, shown
from tokenwire.api.aiplatform.untranslated import Untranslated
from tokenwire.api.chatgpt.parts import KINDS, MAX_PARTS, MEDIA_TYPES
from tokenwire.core.domain import PartKind
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2

DATA: Final = re.compile(r"data:([\w.+/-]+);base64,")
DETAILS: Final = {
    None: chatgpt_pb2.DETAIL_UNSPECIFIED,
    "auto": chatgpt_pb2.DETAIL_AUTO,
    "low": chatgpt_pb2.DETAIL_LOW,
    "high": chatgpt_pb2.DETAIL_HIGH,
}
AUDIO_TYPES: Final = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "pcm16": ""}
"""The media types of audio formats that differ from `audio/FORMAT`; empty if there is none."""
BASE64_RULE: Final = "must be base64, and not empty"


class Contents:
    """Converts contents, and adds up the data in them.

    Args:
        untranslated: Receives the paths of what cannot be translated.

    Attributes:
        inline_bytes: The bytes of the data, as it is in the body.
    """

    def __init__(self, untranslated: Untranslated) -> None:
        self._untranslated = untranslated
        self.inline_bytes = 0

    def convert(self, content: Any, path: str) -> tuple[str, list[chatgpt_pb2.Part]]:
        """Return the texts of a message as one, and its images, audio and files.

        A part of an unknown kind is replaced by a text that names it.

        Args:
            content: The content: null, a string or an array of parts.
            path: Its path.

        Raises:
            InvalidParameter: The content is invalid; the error names what is.
        """
        if content is None or isinstance(content, str):
            return content or "", []
        if not isinstance(content, list):
            raise InvalidParameter(path, "must be a string or an array of parts")
        if len(content) > MAX_PARTS:
            raise InvalidParameter(path, f"must hold at most {MAX_PARTS} items")
        texts: list[str] = []
        parts: list[chatgpt_pb2.Part] = []
        for index, item in enumerate(content):
            converted = self._part(JsonMembers(item, f"{path}[{index}]"))
            if isinstance(converted, str):
                texts.append(converted)
            else:
                parts.append(converted)
        return "\n".join(filter(None, texts)), parts

    def _part(self, members: JsonMembers) -> str | chatgpt_pb2.Part:
        kind = members.text("type")
        part: str | chatgpt_pb2.Part
        match kind:
            case "text":
                part = _needed(members.text("text"), members.path("text"))
            case "refusal":
                part = _needed(members.text("refusal"), members.path("refusal"))
            case "image_url":
                part = self._image(_object(members, "image_url"))
            case "input_audio":
                part = self._audio(_object(members, "input_audio"))
            case "file":
                part = self._file(_object(members, "file"))
            case None:
                raise InvalidParameter(members.path("type"), "must be set")
            case _:
                self._untranslated.add(members.path("type"))
                return f"[{shown(kind)}]"
        self._untranslated.extend(members.rest())
        return part

    def _image(self, image: JsonMembers) -> chatgpt_pb2.Part:
        detail = image.text("detail")
        url = _needed(image.text("url"), image.path("url"))
        self._untranslated.extend(image.rest())
        if detail not in DETAILS:
            self._untranslated.add(image.path("detail"))
        part = self._located(url, image.path("url"), PartKind.IMAGE)
        part.detail = DETAILS.get(detail, chatgpt_pb2.DETAIL_UNSPECIFIED)
        return part

    def _audio(self, audio: JsonMembers) -> chatgpt_pb2.Part | str:
        form = _needed(audio.text("format"), audio.path("format"))
        data = _needed(audio.text("data"), audio.path("data"))
        self._untranslated.extend(audio.rest())
        media_type = AUDIO_TYPES.get(form, f"audio/{form}")
        self.inline_bytes += len(data)
        if KINDS.get(media_type) is not PartKind.AUDIO:
            self._untranslated.add(audio.path("format"))
            return "[input_audio]"
        return chatgpt_pb2.Part(inline=_decoded(data, audio.path("data")), media_type=media_type)

    def _file(self, file: JsonMembers) -> chatgpt_pb2.Part | str:
        name = file.text("filename") or ""
        data = file.text("file_data")
        self._untranslated.extend(file.rest())
        if not data:
            # It has the id of a file at the upstream, or what is new in the API.
            self._untranslated.add(file.path("file_data"))
            return "[file]"
        part = self._located(data, file.path("file_data"), PartKind.FILE)
        part.name = name
        return part

    def _located(self, url: str, path: str, kind: PartKind) -> chatgpt_pb2.Part:
        """Return a part with the data in a URL, or with an address."""
        head = DATA.match(url)
        if head is None:
            if not url.lower().startswith(("http://", "https://")):
                types = ", ".join(MEDIA_TYPES[kind])
                description = (
                    "must be an http or https URL, or data:TYPE;base64,DATA of one of the types "
                )
                raise InvalidParameter(path, description + types)
            media_type = "" if kind is PartKind.IMAGE else MEDIA_TYPES[kind][0]
            return chatgpt_pb2.Part(url=url, media_type=media_type)
        self.inline_bytes += len(url)
        if KINDS.get(head[1].lower()) is not kind:
            description = f"must have one of the types {', '.join(MEDIA_TYPES[kind])}"
            raise InvalidParameter(path, description)
        return chatgpt_pb2.Part(
            inline=_decoded(url[head.end() :], path), media_type=head[1].lower()
        )


def _object(members: JsonMembers, name: str) -> JsonMembers:
    return JsonMembers(members.take(name), members.path(name))


def _needed(value: str | None, path: str) -> str:
    if value is None:
        raise InvalidParameter(path, "must be set")
    return value


def _decoded(data: str, path: str) -> bytes:
    try:
        decoded = b64decode(data, validate=True)
    except ValueError:
        raise InvalidParameter(path, BASE64_RULE) from None
    if not decoded:
        raise InvalidParameter(path, BASE64_RULE)
    return decoded
