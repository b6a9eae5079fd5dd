"""Steps that set the status and the headers of the response."""

from dataclasses import dataclass
from typing import Literal

from tokenwire_demo.chunks import ErrorPayload, encode_json
from tokenwire_demo.event_stream import EventStream
from tokenwire_demo.exchange import Exchange
from tokenwire_demo.flood import pieces
from tokenwire_demo.log import Outcome
from tokenwire_demo.reply import SERVER
from tokenwire_demo.step import Kind, Size, Step, step

_USUAL_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_BODILESS = (204, 205, 304)
_FIRST_STATUS, _LAST_STATUS = 200, 599
_FIRST_SERVER_ERROR = 500


def _check_status(status: int) -> None:
    if not _FIRST_STATUS <= status <= _LAST_STATUS or status in _BODILESS:
        raise ValueError(f"status must be from 200 to 599 and allow a body, not {status}")


@step("headers", Kind.OPENING, needs_stream=True)
@dataclass(frozen=True)
class Headers(Step):
    """The status line and the headers, sent at once. By default, they precede the first event."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_status(self.status)

    async def play(self, exchange: EventStream) -> None:
        """Send the data."""
        exchange.open_stream(self.status, dict(self.headers))
        await exchange.reply.flush()


@step("status", Kind.WHOLE)
@dataclass(frozen=True)
class Status(Step):
    """A complete response with STATUS: OpenAI's error object, HTML, no body, or SIZE bytes.

    If RAW is set, it is the body.
    """

    status: int
    body: Literal["json", "html", "empty", "flood"] = "json"
    message: str = ""
    code: str = ""
    error_type: str = ""
    param: str = ""
    raw: str = ""
    size: Size = 300_000_000
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _check_status(self.status)

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        message = self.message or f"the demo upstream was told to answer {self.status}"
        match self.body:
            case "json":
                content_type = "application/json"
                body = self.raw.encode() or encode_json(self._error(message).as_json())
            case "html":
                content_type = "text/html; charset=utf-8"
                body = f"<html><body><h1>{message}</h1><p>{SERVER}</p></body></html>".encode()
            case "empty":
                content_type, body = "text/plain; charset=utf-8", b""
            case "flood":
                content_type, body = "text/plain; charset=utf-8", message.encode()
        reply = exchange.reply
        length = None if self.body == "flood" else len(body)
        reply.open(self.status, {"content-type": content_type, **dict(self.headers)}, length)
        reply.add(body)
        if self.body == "flood":
            for piece in pieces(self.size - len(body)):
                reply.add(piece)
                await reply.flush_and_yield()

    def _error(self, message: str) -> ErrorPayload:
        server = self.status >= _FIRST_SERVER_ERROR
        return ErrorPayload(
            message=message,
            type=self.error_type or ("server_error" if server else "invalid_request_error"),
            param=self.param or None,
            code=self.code or _USUAL_CODES.get(self.status),
        )


@step("redirect", Kind.WHOLE)
@dataclass(frozen=True)
class Redirect(Step):
    """A redirect to URL. With 307 and 308, a client sends the prompt again."""

    url: str
    status: int = 307

    def __post_init__(self) -> None:
        _check_status(self.status)
        if not self.url or not self.url.isprintable() or " " in self.url:
            raise ValueError(f"url must be a URL, not {self.url!r}")

    async def play(self, exchange: Exchange) -> None:
        """Send the data."""
        exchange.reply.open(self.status, {"location": self.url}, length=0)


@step("garbage", Kind.WHOLE)
@dataclass(frozen=True)
class Garbage(Step):
    """Bytes that are not HTTP, then the end of the connection."""

    async def play(self, exchange: Exchange) -> Outcome:
        """Send the bytes and close the connection."""
        await exchange.reply.connection.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        exchange.reply.connection.close()
        return "closed"
