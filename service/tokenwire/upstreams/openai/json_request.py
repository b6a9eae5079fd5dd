"""Requests whose response is one JSON object, in place of a stream of events."""

from contextlib import closing
from typing import Any, Final

import msgspec
import yarl

from tokenwire.core import errors
from tokenwire.core.call_record import CallRecord
from tokenwire.upstreams.http.value_cutter import ValueCutter
from tokenwire.upstreams.openai.rejection import error_in_answer, is_error
from tokenwire.upstreams.openai.upstream import Upstream
from tokenwire.upstreams.progress_timer import ProgressTimer, Timeouts

MAX_REST_BYTES: Final = 1 << 20
"""The size limit of a response without its large values."""
TRUNCATED: Final = "truncated"
"""A word of msgspec's message about JSON that ends too early."""


class JsonRequests:
    """Sends requests and reads their responses, within the upstream's time limits.

    The limit of the first token applies to the first byte of the body, and the limit between two
    tokens to each wait after it. White space is no progress.

    Args:
        upstream: The upstream that receives the requests.
        timeouts: The upstream's time limits.
    """

    def __init__(self, upstream: Upstream, timeouts: Timeouts) -> None:
        self._upstream = upstream
        self._timeouts = timeouts

    async def post(
        self, url: yarl.URL, payload: dict[str, Any], call: CallRecord, cutter: ValueCutter
    ) -> dict[str, Any]:
        """Send `payload` to `url` and return the object in the response.

        Args:
            url: One of the upstream's URLs.
            payload: The body of the request, before encoding.
            call: The record of the call. `attempts.received` is set once the response has begun.
            cutter: Cuts the large values out of the response.

        Raises:
            ServiceError: The request fails, or the response is an error or no object.
        """
        attempts = call.attempts
        with closing(ProgressTimer(attempts, self._timeouts)) as timer:
            with timer:
                body = await self._upstream.open_body(url, payload, attempts)
            with body:
                while True:
                    with timer:
                        part = await body.read()
                    if not part:
                        break
                    if not part.isspace():
                        attempts.received = True
                        timer.progressed()
                    cutter.feed(part)
        rest = cutter.end()
        value = _decode(rest)
        if is_error(value):
            # The upstream has not begun to answer, so the request may be repeated.
            attempts.received = False
            raise error_in_answer(rest)
        if not isinstance(value, dict):
            raise errors.UpstreamProtocolError
        return value


def _decode(body: bytes) -> object:
    if not body or body.isspace():
        raise errors.UpstreamTruncated
    try:
        value: object = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        kind = errors.UpstreamTruncated if TRUNCATED in str(error) else errors.UpstreamProtocolError
        raise kind from None
    return value
