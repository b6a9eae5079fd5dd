"""The exception of a failed call."""

from collections.abc import Iterable
from typing import Self

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "tokenwire"
REQUEST_ID_KEY = "x-request-id"
DETAILS_KEY = "grpc-status-details-bin"

Metadatum = tuple[str, str | bytes]


class ChatError(Exception):
    """A failed call.

    Attributes:
        code: The gRPC status code. UNAVAILABLE: the model had not begun to answer.
            ABORTED: it had.
        message: The status message.
        reason: The reason of the failure, such as "SERVER_OVERLOADED"; empty if the
            status does not come from a tokenwire server.
        request_id: The id of the call in the server's log; empty if no server
            responded.
        retry_after: Seconds to wait before a retry; None if the server does not say.
        fields: The invalid fields of the request, as (field, description).
    """

    def __init__(  # noqa: PLR0913, PLR0917 - positional, so that pickle can rebuild it from args
        self,
        code: grpc.StatusCode,
        message: str,
        reason: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(code, message, reason, request_id, retry_after, fields)
        self.code = code
        self.message = message
        self.reason = reason
        self.request_id = request_id
        self.retry_after = retry_after
        self.fields = fields

    @classmethod
    def from_rpc_error(cls, error: grpc.aio.AioRpcError | grpc.Call) -> Self:
        """Return the ChatError for gRPC's exception."""
        metadata = tuple(error.trailing_metadata() or ())
        try:
            reason, retry_after, fields = _read_details(metadata)
        except DecodeError:
            # A proxy may have damaged the details. The status is still valid.
            reason, retry_after, fields = "", None, ()
        message = error.details() or ""
        return cls(error.code(), message, reason, find_request_id(metadata), retry_after, fields)

    def __str__(self) -> str:
        head = f"{self.code.name} {self.reason}".rstrip()
        notes = [f"{field}: {description}" for field, description in self.fields]
        if self.retry_after is not None:
            notes.append(f"retry after {self.retry_after:g} s")
        if self.request_id and self.request_id not in self.message:
            notes.append(f"request {self.request_id}")
        line = f"{head}: {self.message}" + (f" ({'; '.join(notes)})" if notes else "")
        return " ".join(line.split())


def find_request_id(metadata: Iterable[Metadatum]) -> str:
    """Return the request id in the metadata, or an empty string."""
    for key, value in metadata:
        if key == REQUEST_ID_KEY and isinstance(value, str):
            return value
    return ""


def _read_details(
    metadata: Iterable[Metadatum],
) -> tuple[str, float | None, tuple[tuple[str, str], ...]]:
    # grpc_status.rpc_status.from_call drops all details if a proxy has changed the
    # status message.
    reason, retry_after, fields = "", None, []
    info, retry, bad_request = ErrorInfo(), RetryInfo(), BadRequest()
    for packed in _packed_details(metadata):
        if packed.Unpack(info) and info.domain == DOMAIN:
            reason = info.reason
        elif packed.Unpack(retry):
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif packed.Unpack(bad_request):
            fields += [(wrong.field, wrong.description) for wrong in bad_request.field_violations]
    return reason, retry_after, tuple(fields)


def _packed_details(metadata: Iterable[Metadatum]) -> Iterable[Any]:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            yield from Status.FromString(value).details
