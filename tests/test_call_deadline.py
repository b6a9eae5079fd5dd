"""A cancelled call is distinguished from one whose deadline has passed."""

from typing import Any

import grpc
import pytest

from tokenwire.server.client_deadline import LATENCY_SECONDS, deadline_passed

CORE = "grpc-python-asyncio/1.78.0 grpc-c/52.0.0 (linux; chttp2)"
GO = "grpc-go/1.75.0"

SLACK = LATENCY_SECONDS + 0.01

TIMEOUTS = [0.1234, 0.9991, 1, 5.678, 9.999, 10.011, 60, 99.91, 99.99, 100, 123.4, 900, 901.5]
LONG_TIMEOUTS = [999.9, 1000, 3595, 3600, 9999, 10_001, 86_400, 100_001, 3_600_001]


class Listener(grpc.GenericRpcHandler):
    """Records the remaining time and the user agent of each call."""

    def __init__(self) -> None:
        self.left = 0.0
        self.user_agent = ""

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        async def note(_: bytes, context: Any) -> bytes:
            self.left = context.time_remaining()
            self.user_agent = dict(context.invocation_metadata())["user-agent"]
            return b""

        return grpc.unary_unary_rpc_method_handler(note)


async def test_the_deadline_of_a_c_core_client_is_known_whatever_its_digits() -> None:
    """A C-core client's deadline has passed if the server's is within gRPC's rounding of it."""
    listener = Listener()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((listener,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        send: Any = channel.unary_unary("/any/method")
        await send(b"")
        for timeout in TIMEOUTS + LONG_TIMEOUTS:
            await send(b"", timeout=timeout)
            ahead = listener.left - timeout
            assert deadline_passed(ahead, listener.left, listener.user_agent), timeout
    await server.stop(None)


@pytest.mark.parametrize(
    ("timeout", "rounding"),
    [(0.5, 0.001), (9, 0.01), (90, 0.1), (900, 1), (3_600, 10)],
)
def test_a_cancel_further_ahead_than_the_rounding_is_a_cancel(
    timeout: float, rounding: float
) -> None:
    """The tolerance is one unit of the last of three digits, plus 50 ms."""
    assert deadline_passed(rounding, timeout, CORE)
    assert not deadline_passed(rounding + SLACK, timeout, CORE)


@pytest.mark.parametrize("user_agent", [GO, "", "grpc-node-js/1.14.0"])
def test_other_clients_deadlines_are_exact(user_agent: str) -> None:
    """The deadlines of clients that send eight digits have only the latency tolerance."""
    assert deadline_passed(0.04, 900, user_agent)
    assert not deadline_passed(SLACK, 900, user_agent)


@pytest.mark.parametrize("total", [-1.0, 0.0, 1e-9])
def test_a_deadline_that_passed_before_the_call_began(total: float) -> None:
    """A deadline that is not in the future has passed."""
    assert deadline_passed(total, total, CORE)
