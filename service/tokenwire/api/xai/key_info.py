"""`get_api_key_info`: what is known of the caller's key."""

from typing import Final

from google.protobuf.empty_pb2 import Empty

from tokenwire.api.chatgpt.field_limits import FieldCounts
from tokenwire.api.endpoint import Endpoint
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import Method, MethodType
from tokenwire.xai.v1 import xai_pb2 as pb

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Auth"].full_name
KEY_INFO: Final = Method(SERVICE, "get_api_key_info", MethodType.UNARY)


def key_info_endpoint() -> Endpoint:
    """Return the entry of the method table."""
    return Endpoint(
        KEY_INFO,
        check=FieldCounts(Empty.DESCRIPTOR).check,
        parse=Empty.FromString,
        handle=get_key_info,
        serialize=pb.ApiKey.SerializeToString,
    )


async def get_key_info(request: Empty, call: CallRecord) -> pb.ApiKey:
    """Return the name of the caller. A call with a key that is not accepted has failed before."""
    del request
    name = call.caller.name if call.caller else ""
    return pb.ApiKey(user_id=name, name=name)
