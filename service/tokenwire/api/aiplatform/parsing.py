"""Parses requests, and rejects fields that the service does not serve."""

from typing import Final

from google.protobuf.unknown_fields import UnknownFieldSet

from tokenwire.aiplatform.v1beta1 import prediction_service_pb2 as pb
from tokenwire.api.chatgpt.field_limits import FieldCounts
from tokenwire.core.errors import InvalidParameter

CONTENT_TYPE: Final = "application/json"
RULE: Final = "is not supported by this service; leave it unset"
DATA: Final = "google.api.HttpBody.data"


def request_limits() -> FieldCounts:
    """Return the limits on the fields of a ChatCompletionsRequest. The body has limits of its own.

    The first of its extensions is already too many.
    """
    return FieldCounts(
        pb.ChatCompletionsRequest.DESCRIPTOR,
        {"http_body.extensions": 0},
        inline=(DATA,),
        max_text_bytes=1 << 16,
    )


def parse(data: bytes) -> pb.ChatCompletionsRequest:
    """Return a request.

    Raises:
        DecodeError: The bytes are none.
        InvalidParameter: It has a field that is not served, or a body of another type than JSON.
    """
    request = pb.ChatCompletionsRequest.FromString(data)
    for path, message in (("", request), ("http_body.", request.http_body)):
        unknown = UnknownFieldSet(message)
        if len(unknown):
            raise InvalidParameter(f"{path}field {unknown[0].field_number}", RULE)
    kind = request.http_body.content_type.partition(";")[0].strip().lower()
    if kind not in ("", CONTENT_TYPE):
        raise InvalidParameter("http_body.content_type", f"must be {CONTENT_TYPE}")
    return request
