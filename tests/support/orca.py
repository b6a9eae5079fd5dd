"""Reads load reports as they are on the wire, because gRPC's core hides them from Python."""

from google.protobuf.message import Message

from support import http2
from tokenwire.server.load_meter import TRAILER
from tokenwire.xds.orca_load_report_pb2 import OrcaLoadReport

NAME = bytes((len(TRAILER),)) + TRAILER.encode()


async def reported(address: str, request: Message) -> OrcaLoadReport | None:
    """Make a call of `Send` to its end; return the load report in its trailing metadata, if any."""
    async with http2.connect(address) as connection:
        body = request.SerializeToString()
        await connection.send(http2.true_binary(), http2.call(1), http2.message(1, body))
        async for kind, stream, payload in connection.frames():
            if kind == http2.HEADERS and stream == 1 and b"grpc-status" in payload:
                return _report_in(payload)
    raise AssertionError("the server closed the connection before the end of the call")


def _report_in(trailers: bytes) -> OrcaLoadReport | None:
    _, found, rest = trailers.partition(NAME)
    if not found:
        return None
    # The first byte says that the value is not base64.
    length, binary = rest[0], rest[1]
    assert binary == 0
    return OrcaLoadReport.FromString(rest[2 : 1 + length])
