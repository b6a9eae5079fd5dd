"""Routes an HTTP request to the API for it, the list of models, or an error."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from tokenwire_demo.answer import compose
from tokenwire_demo.barrier import Barrier
from tokenwire_demo.chunks import ErrorPayload, encode_json
from tokenwire_demo.connection import Connection, HttpRequest
from tokenwire_demo.embedding import EmbeddingList, parse_embeddings_request
from tokenwire_demo.event_stream import EventStream
from tokenwire_demo.log import Log, Outcome, RequestRecord
from tokenwire_demo.pace import Pace
from tokenwire_demo.plan import Plan, PlanError, parse_plan
from tokenwire_demo.reply import Reply
from tokenwire_demo.request import CompletionRequest, parse_request
from tokenwire_demo.request_error import RequestError
from tokenwire_demo.response_request import parse_response_request
from tokenwire_demo.response_stream import ResponseJson, ResponseStream
from tokenwire_demo.single_json import SingleJson
from tokenwire_demo.step import play
from tokenwire_demo.tokenization import Tokenization

DEMO_MODEL = "tokenwire-demo"
PLAN_HEADER = "x-demo-plan"


@dataclass(frozen=True, slots=True)
class _Api:
    """An API.

    Attributes:
        parse: Returns the request in a decoded body.
        stream: The answer as server-sent events.
        whole: The answer as one JSON object.
        prefix: The beginning of an answer's id.
    """

    parse: Callable[[object], CompletionRequest]
    stream: type[EventStream]
    whole: type[SingleJson]
    prefix: str


_APIS = {
    "/chat/completions": _Api(parse_request, EventStream, SingleJson, "chatcmpl"),
    "/responses": _Api(parse_response_request, ResponseStream, ResponseJson, "resp"),
    "/embeddings": _Api(parse_embeddings_request, EventStream, EmbeddingList, "embd"),
    "/tokenize": _Api(parse_request, EventStream, Tokenization, "tokn"),
}
"""The APIs by their paths."""


@dataclass(frozen=True)
class Handler:
    """Answers requests.

    Args:
        log: Counts the requests; the count is part of each answer's id.
        next_scripted: Returns and removes the next scripted plan; None if there is none.
        default_plan: The plan of requests without a plan.
        barrier: Returns a barrier by its name.
        time_to_first_token: The time to the first token, in seconds.
        tokens_per_second: The pace; 0 for no limit.
    """

    log: Log
    next_scripted: Callable[[], Plan | None]
    default_plan: Plan
    barrier: Callable[[str], Barrier]
    time_to_first_token: float
    tokens_per_second: float

    async def handle(
        self, connection: Connection, http: HttpRequest, record: RequestRecord
    ) -> Outcome:
        """Answer a request and return the outcome."""
        reply = Reply(connection, chunked=http.chunked)
        route = http.path.partition("?")[0].rstrip("/")
        api = next((api for path, api in _APIS.items() if route.endswith(path)), None)
        allowed = "POST" if api else "GET"
        if not api and not route.endswith("/models"):
            message = f"{http.path} does not exist; use /v1/models or /v1{' or /v1'.join(_APIS)}"
            return await _error(reply, 404, message, "not_found")
        if http.method != allowed:
            message = f"{http.path} accepts {allowed}, not {http.method}"
            return await _error(reply, 405, message, "method_not_allowed")
        if api is None:
            return await _models(reply)
        return await self._complete(api, reply, http, record)

    async def _complete(
        self, api: _Api, reply: Reply, http: HttpRequest, record: RequestRecord
    ) -> Outcome:
        try:
            record.body = json.loads(http.body)
            request = api.parse(record.body)
            answer = compose(request)
            plan = self._choose_plan(http, request)
            plan.check(request, chunks=api.stream is EventStream)
        except PlanError as error:
            return await _error(reply, 400, str(error), "invalid_demo_plan")
        except RequestError as error:
            return await _error(reply, 400, str(error), "invalid_value", error.param)
        except (ValueError, RecursionError):
            return await _error(reply, 400, "the request body must be JSON", "invalid_json")
        record.plan = plan.text
        exchange = (api.stream if request.stream else api.whole)(
            request=request,
            answer=answer,
            reply=reply,
            record=record,
            pace=Pace(self.time_to_first_token, self.tokens_per_second),
            completion_id=f"{api.prefix}-demo-{self.log.requests_seen}",
            barrier=self.barrier,
        )
        return await play(plan.steps, exchange)

    def _choose_plan(self, http: HttpRequest, request: CompletionRequest) -> Plan:
        if scripted := self.next_scripted():
            return scripted
        for text in (http.headers.get(PLAN_HEADER), request.plan):
            if text is not None:
                return parse_plan(text)
        return self.default_plan


async def _models(reply: Reply) -> Outcome:
    model = {"id": DEMO_MODEL, "object": "model", "created": 0, "owned_by": "tokenwire-demo"}
    return await _json(reply, 200, {"object": "list", "data": [model]})


async def _error(
    reply: Reply, status: int, message: str, code: str, param: str | None = None
) -> Outcome:
    return await _json(reply, status, ErrorPayload(message, param=param, code=code).as_json())


async def _json(reply: Reply, status: int, value: object) -> Outcome:
    body = encode_json(value)
    reply.open(status, {"content-type": "application/json"}, length=len(body))
    reply.add(body)
    await reply.end()
    return "complete"
