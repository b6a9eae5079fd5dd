"""Turns every failure into its gRPC status; nothing else leaves a handler."""

import logging

import grpc

from tokenwire import calls
from tokenwire.calls import Call
from tokenwire.errors import InternalError, ServiceError
from tokenwire.interceptors.base import Behaviour, Context, Interceptor
from tokenwire.interceptors.record import REQUEST_ID
from tokenwire.status import extra_trailers, to_status
from tokenwire.v1 import chatgpt_pb2 as pb

log = logging.getLogger(__name__)


class FailureInterceptor(Interceptor):
    """Ends a failed call with the status that its reason stands for."""

    async def around(
        self, method: str, proceed: Behaviour, request: object, context: Context
    ) -> None:
        """Run the call and translate what it raises."""
        call = calls.current.get()
        try:
            await proceed(request, context)
        except grpc.aio.AbortError:
            raise
        except ServiceError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - the last line: a bug must not reach the caller
            failure = InternalError()
            _log_bug(call, method, error)
        else:
            return
        await _end(call, failure, context)


async def _end(call: Call, failure: ServiceError, context: Context) -> None:
    call.reason = failure.reason
    if call.tokens:
        # For clients of the original contract, which read only messages.
        await context.write(pb.Answer(error=failure.reason))
    status = to_status(failure, failure.code_after(call.tokens), call.request_id)
    await context.abort(
        status.code,
        status.details,
        (
            *(status.trailing_metadata or ()),
            *extra_trailers(failure),
            (REQUEST_ID, call.request_id),
        ),
    )


def _log_bug(call: Call, method: str, error: Exception) -> None:
    """Log where a bug is: types and lines, but no values, which may hold a prompt."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    log.error(
        "bug in handler",
        extra={
            "method": method,
            "request_id": call.request_id,
            "exception": type(error).__qualname__,
            "frames": frames,
        },
    )
