"""The stream of one answer, for code without asyncio."""

from collections.abc import Generator, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import grpc

from tokenwire_client.errors import ChatError, Metadatum, find_request_id
from tokenwire_client.v1.chatgpt_pb2 import Answer


class SyncAnswerStream(Iterator[Answer]):
    """The answer to one message. `SyncClient.send` returns it after the call has started.

    Iterate to the end, or leave early. `close`, the end of a `with` block, and dropping
    the last reference cancel the call at once, and the server stops the model. Another
    thread may call `close`; the iteration then ends.

    An interceptor may replace gRPC's call by a generator, as OpenTelemetry's does. Then the
    call starts with the first `next`, and while a thread waits in `next`, another cannot end it.

    Attributes:
        trailing_metadata: The trailing metadata of the call; empty until the call
            ends, if it was cancelled, and if an interceptor hides it.
    """

    def __init__(self, call: Any) -> None:
        self.trailing_metadata: tuple[Metadatum, ...] = ()
        self._call = call
        self._ended = False

    @property
    def request_id(self) -> str:
        """The id of the call in the server's log; empty until the call has ended."""
        return find_request_id(self.trailing_metadata)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Answer:
        """Return the next part of the answer. The call blocks until it arrives.

        Raises:
            ChatError: The call failed.
            StopIteration: The answer is complete, or the stream was closed.
        """
        if self._ended:
            raise StopIteration
        try:
            answer: Answer = next(self._call)
        except StopIteration:
            self._end(_trailing_metadata(self._call))
            raise
        except grpc.RpcError as error:
            if self._ended:
                raise StopIteration from None
            # gRPC's exception of a call is the call too.
            self._end(_trailing_metadata(error))
            raise ChatError.from_rpc_error(cast("grpc.Call", error)) from error
        except BaseException:
            # Such as KeyboardInterrupt: nobody reads the rest.
            self.close()
            raise
        return answer

    def close(self) -> None:
        """Cancel the call if it is running. After that, the iteration ends."""
        if not self._ended:
            self._end(())
            _cancel(self._call)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _end(self, metadata: Any) -> None:
        self._ended = True
        self.trailing_metadata = tuple((item.key, item.value) for item in metadata or ())


def _cancel(call: Any) -> None:
    if isinstance(call, Generator):
        # ValueError: another thread is waiting in it.
        with suppress(ValueError):
            call.close()
    else:
        call.cancel()


def _trailing_metadata(call: Any) -> Any:
    return () if isinstance(call, Generator) else call.trailing_metadata()
