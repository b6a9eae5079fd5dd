"""Named plans, at least one for each failure of an upstream."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named plan."""

    name: str
    plan: str
    meaning: str
    rows: tuple[int, ...] = ()
    """The numbers of the failures that the scenario produces."""


_ALL = (
    Scenario("normal", "answer", "A complete answer."),
    Scenario(
        "slow", "pace 1 5; answer", "The first token after one second, then five tokens per second."
    ),
    Scenario("reset-before-headers", "reset", "The connection is reset (RST).", (2,)),
    Scenario("close-before-headers", "close", "The connection is closed (FIN).", (2,)),
    Scenario("stall-before-headers", "stall", "No status line arrives.", (3,)),
    Scenario(
        "stall-before-first-token", "headers; stall", "The headers arrive, but no event.", (4,)
    ),
    Scenario("stall-after-role", "role; stall", "The role arrives, but no text.", (4,)),
    Scenario("stall-mid-stream", "tokens 3; stall", "Three tokens arrive, then nothing.", (5,)),
    Scenario("comments-only", "headers; comments", "Endless comments, no event.", (6,)),
    Scenario("comments-mid-stream", "tokens 3; comments", "Tokens, then endless comments.", (6,)),
    Scenario("endless-drip", "drip", "The answer never ends.", (7,)),
    Scenario(
        "context-length", "status 400 code=context_length_exceeded", "The prompt is too long.", (8,)
    ),
    Scenario("payload-too-large", "status 413", "The request is too large.", (8,)),
    Scenario(
        "content-policy",
        "status 400 code=content_policy_violation",
        "The prompt is rejected.",
        (9,),
    ),
    Scenario(
        "content-policy-azure",
        "status 400 code=content_filter",
        "The prompt is rejected, in Azure's words.",
        (9,),
    ),
    Scenario("bad-request", "status 400", "The request is rejected.", (10,)),
    Scenario("unprocessable", "status 422", "The request is rejected.", (10,)),
    Scenario(
        "redirect",
        "redirect /elsewhere/chat/completions",
        "A redirect to another path. The log shows whether it is followed.",
        (10,),
    ),
    Scenario("unauthorized", "status 401", "The key is invalid.", (11,)),
    Scenario("forbidden", "status 403", "The key lacks a permission.", (11,)),
    Scenario("model-not-found", "status 404", "The model does not exist.", (12,)),
    Scenario("request-timeout", "status 408", "The server timed out.", (13,)),
    Scenario("gateway-timeout", "status 504 body=html", "A gateway timed out.", (13,)),
    Scenario("conflict", "status 409", "Another request conflicts.", (13,)),
    Scenario("rate-limited", "status 429 retry-after=2", "Too many requests.", (14,)),
    Scenario(
        "quota",
        "status 429 code=insufficient_quota error-type=insufficient_quota",
        "The account's quota is used up.",
        (15,),
    ),
    Scenario("server-error", "status 500", "The server failed.", (16,)),
    Scenario("bad-gateway", "status 502 body=html", "A gateway failed, with an HTML page.", (16,)),
    Scenario("unavailable", "status 503 retry-after=1", "The server is unavailable.", (16,)),
    Scenario("overloaded", "status 529", "The server is overloaded.", (16,)),
    Scenario("html-page", "status 200 body=html", "A web page instead of an answer.", (16,)),
    Scenario("reset-mid-stream", "tokens 3; reset", "Tokens, then a reset (RST).", (17,)),
    Scenario("close-mid-stream", "tokens 3; close", "Tokens, then a close (FIN).", (17,)),
    Scenario("truncated", "tokens 3; eof", "A complete response without a finish reason.", (18,)),
    Scenario("truncated-empty", "headers; eof", "A complete response without an event.", (18,)),
    Scenario("truncated-done", "tokens 3; done", "`[DONE]` without a finish reason.", (18,)),
    Scenario("no-done", "rest; finish; eof", "A complete answer without `[DONE]`.", (19,)),
    Scenario("bad-json", "tokens 3; bad-json; done", "Half a JSON object.", (20,)),
    Scenario("non-object", "tokens 3; non-object; done", "JSON that is not an object.", (20,)),
    Scenario("invalid-utf8", "tokens 3; invalid-utf8; answer", "Bytes that are not UTF-8.", (20,)),
    Scenario("lone-surrogate", "tokens 3; lone-surrogate; answer", "A lone surrogate.", (20,)),
    Scenario("error-first", "error; done", "An error object instead of the first token.", (21,)),
    Scenario("error-mid-stream", "tokens 3; error; done", "An error object after tokens.", (21,)),
    Scenario("error-event", "tokens 3; error-event; done", "An error event after tokens.", (21,)),
    Scenario("empty-choices", "empty-choices; answer", "A chunk without choices.", (22,)),
    Scenario("null-choices", "null-choices; answer", "A chunk whose choices are null.", (22,)),
    Scenario("null-delta", "tokens 3; null-delta; answer", "A null delta between tokens.", (22,)),
    Scenario(
        "null-content", "tokens 3; null-content; answer", "A null text between tokens.", (22,)
    ),
    Scenario("null-usage", "tokens 3; null-usage; answer", "A null usage between tokens.", (22,)),
    Scenario("data-after-done", 'answer; text " late"', "A token after `[DONE]`.", (23,)),
    Scenario("held-after-done", "answer; stall", "`[DONE]`, but the body stays open.", (23,)),
    Scenario("crlf", "line-ends crlf; answer", "Lines end with CR LF.", (24,)),
    Scenario("cr", "line-ends cr; answer", "Lines end with CR alone.", (24,)),
    Scenario(
        "split-utf8",
        'writes split-utf8; text "Zoë "; text "日本 "; text "🙂 "; answer',
        "Characters split over writes.",
        (24,),
    ),
    Scenario("byte-by-byte", "writes byte; answer", "Each byte in a write of its own.", (24,)),
    Scenario("one-write", "writes batch; answer", "All events in one write.", (24,)),
    Scenario("nul", 'text "a\\u0000b "; answer', "A NUL in the text.", (24,)),
    Scenario("big-delta", "tokens 3; big-delta; answer", "A delta of 10 MB.", (25,)),
    Scenario("no-newline", "tokens 3; no-newline", "A line of 300 MB.", (26,)),
    Scenario("gzip-bomb", "gzip-bomb", "A small body that decompresses to 1 GB.", (26,)),
    Scenario("huge-error", "status 500 body=flood", "An error body of 300 MB.", (26,)),
    Scenario(
        "length",
        "tokens 3; finish length; usage; done",
        "The answer reaches the token limit.",
        (27,),
    ),
    Scenario(
        "content-filter",
        "tokens 3; finish content_filter; done",
        "A content filter ends the answer.",
        (28,),
    ),
    Scenario(
        "content-filter-first",
        "finish content_filter; done",
        "A content filter removes the whole answer.",
        (28,),
    ),
    Scenario("refusal", "refusal; finish; usage; done", "The model refuses to answer.", (29,)),
    Scenario("empty-answer", "role; finish; usage; done", "A complete answer without text.", (30,)),
    Scenario(
        "tool-call", "tool-call; finish tool_calls; done", "A tool call that was not requested."
    ),
    Scenario(
        "tool-call-pieces",
        'tool-call arguments={"city": "Paris"} pieces=4; finish; usage; done',
        "A tool call whose arguments arrive in pieces.",
    ),
    Scenario(
        "tool-calls-parallel",
        "tool-calls 3; finish; usage; done",
        "Three calls of the request's tools at once.",
    ),
    Scenario(
        "tool-calls-interleaved",
        'tool-call a arguments="" id=call_1; tool-call b arguments="" id=call_2 index=1; '
        'tool-arguments "{}"; tool-arguments "{}" 1; finish; done',
        "Two calls whose arguments arrive in turn.",
    ),
    Scenario(
        "tool-call-bad-json",
        'tool-call arguments="{city: Paris}"; finish; done',
        "A tool call whose arguments are not JSON.",
        (55,),
    ),
    Scenario(
        "tool-call-cut",
        'tool-call arguments="{\\"city\\": \\"Pa"; finish length; done',
        "A tool call whose arguments end too early.",
        (55,),
    ),
    Scenario(
        "tool-call-unknown", "tool-call no_such_tool; finish; done", "A call of an unknown tool."
    ),
    Scenario("tool-call-no-id", 'tool-call id=""; finish; done', "A tool call without an id."),
    Scenario(
        "tool-call-doubled-index",
        "tool-call a id=call_1; tool-call b id=call_2; finish; done",
        "Two tool calls with the same index.",
    ),
    Scenario(
        "everything",
        "reasoning; rest; tool-calls; finish; usage; done",
        "Reasoning, text or JSON, and a tool call in one answer.",
    ),
    Scenario("reasoning", "reasoning; answer", "Reasoning before the answer."),
    Scenario("cached", "rest; finish; usage cached=1 reasoning=2; done", "Usage with all counts."),
    Scenario("stray-response", "answer; stray", "A second response without a request.", (49,)),
    Scenario("stray-timeout", "answer; stray timeout", "A 408 response after the answer.", (49,)),
    Scenario(
        "stray-head", "answer; stray head", "The head of a response without a request.", (49,)
    ),
    Scenario("not-http", "garbage", "Bytes that are not HTTP."),
)

SCENARIOS: dict[str, Scenario] = {one.name: one for one in _ALL}
"""Every scenario by its name."""
