"""Checks the status and the type of an upstream's response."""

from tokenwire.core.errors import UpstreamError
from tokenwire.upstreams.http.client import error_body, is_success
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.openai.rejection import rejection


async def check_response(response: Response) -> None:
    """Require a response with the body of an answer.

    Raises:
        ServiceError: The upstream rejects the request, or the response is a web page.
    """
    if not is_success(response):
        body = await error_body(response)
        response.return_connection()
        raise rejection(response.status, response.headers, body)
    # Other content types say little: some upstreams send events as application/json.
    if response.content_type == "text/html":
        # The page of a proxy or a captive portal.
        raise UpstreamError
