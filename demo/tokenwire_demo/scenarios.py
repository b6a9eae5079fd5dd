"""Plans with a name: one at least for each way an upstream fails."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named plan."""

    name: str
    plan: str
    meaning: str
    rows: tuple[int, ...] = ()
    """The rows of the table of failures (docs/errors.md) that it plays the upstream's part of."""


_ALL = (
    Scenario("normal", "answer", "A well-behaved answer."),
    Scenario("slow", "pace 1 5; answer", "The first token after a second, then five a second."),
    Scenario("reset-before-headers", "reset", "The connection is reset (RST).", (2,)),
    Scenario("close-before-headers", "close", "The connection is closed (FIN).", (2,)),
    Scenario("stall-before-headers", "stall", "Not even the status line comes.", (3,)),
    Scenario("stall-before-first-token", "headers; stall", "The headers come, no event.", (4,)),
    Scenario("stall-after-role", "role; stall", "The role comes, no text.", (4,)),
    Scenario("stall-mid-stream", "tokens 3; stall", "Three tokens come.", (5,)),
    Scenario("comments-only", "headers; comments", "Comments for ever, no event.", (6,)),
    Scenario("comments-mid-stream", "tokens 3; comments", "Tokens, then only comments.", (6,)),
    Scenario("endless-drip", "drip", "The answer never ends.", (7,)),
    Scenario(
        "context-length", "status 400 code=context_length_exceeded", "The prompt is too long.", (8,)
    ),
    Scenario("payload-too-large", "status 413", "The request is too large.", (8,)),
    Scenario(
        "content-policy", "status 400 code=content_policy_violation", "The prompt is refused.", (9,)
    ),
    Scenario(
        "content-policy-azure", "status 400 code=content_filter", "The same as Azure says it.", (9,)
    ),
    Scenario("bad-request", "status 400", "The request is refused.", (10,)),
    Scenario("unprocessable", "status 422", "The request is refused.", (10,)),
    Scenario(
        "redirect", "redirect /elsewhere/chat/completions", "Another path; the log sees it.", (10,)
    ),
    Scenario("unauthorized", "status 401", "The key is wrong.", (11,)),
    Scenario("forbidden", "status 403", "The key may not do this.", (11,)),
    Scenario("model-not-found", "status 404", "There is no such model.", (12,)),
    Scenario("request-timeout", "status 408", "The server gave up waiting.", (13,)),
    Scenario("gateway-timeout", "status 504 body=html", "A gateway gave up waiting.", (13,)),
    Scenario("conflict", "status 409", "Another request is in the way.", (13,)),
    Scenario("rate-limited", "status 429 retry-after=2", "Too many requests.", (14,)),
    Scenario(
        "quota",
        "status 429 code=insufficient_quota error-type=insufficient_quota",
        "The account has no money left.",
        (15,),
    ),
    Scenario("server-error", "status 500", "The server failed.", (16,)),
    Scenario("bad-gateway", "status 502 body=html", "A gateway failed, in HTML.", (16,)),
    Scenario("unavailable", "status 503 retry-after=1", "The server is down.", (16,)),
    Scenario("overloaded", "status 529", "The server is overloaded.", (16,)),
    Scenario("html-page", "status 200 body=html", "A web page instead of an answer.", (16,)),
    Scenario("reset-mid-stream", "tokens 3; reset", "Tokens, then a reset (RST).", (17,)),
    Scenario("close-mid-stream", "tokens 3; close", "Tokens, then a close (FIN).", (17,)),
    Scenario("truncated", "tokens 3; eof", "A proper end, but no finish reason.", (18,)),
    Scenario("truncated-empty", "headers; eof", "A proper end without any event.", (18,)),
    Scenario("truncated-done", "tokens 3; done", "`[DONE]`, but no finish reason.", (18,)),
    Scenario("no-done", "rest; finish; eof", "A whole answer without `[DONE]`.", (19,)),
    Scenario("bad-json", "tokens 3; bad-json; done", "Half a JSON object.", (20,)),
    Scenario("non-object", "tokens 3; non-object; done", "JSON, but a list.", (20,)),
    Scenario("invalid-utf8", "tokens 3; invalid-utf8; answer", "Bytes that are not UTF-8.", (20,)),
    Scenario("lone-surrogate", "tokens 3; lone-surrogate; answer", "Half a character.", (20,)),
    Scenario("error-first", "error; done", "An error object instead of the first token.", (21,)),
    Scenario("error-mid-stream", "tokens 3; error; done", "An error object after tokens.", (21,)),
    Scenario("error-event", "tokens 3; error-event; done", "An error event after tokens.", (21,)),
    Scenario("empty-choices", "empty-choices; answer", "A chunk without choices.", (22,)),
    Scenario("null-choices", "null-choices; answer", "A chunk whose choices are null.", (22,)),
    Scenario("null-delta", "tokens 3; null-delta; answer", "A null delta in between.", (22,)),
    Scenario("null-content", "tokens 3; null-content; answer", "A null text in between.", (22,)),
    Scenario("null-usage", "tokens 3; null-usage; answer", "A null usage in between.", (22,)),
    Scenario("data-after-done", 'answer; text " late"', "A token after `[DONE]`.", (23,)),
    Scenario("held-after-done", "answer; stall", "`[DONE]`, and the body stays open.", (23,)),
    Scenario("crlf", "line-ends crlf; answer", "Lines end with CR LF.", (24,)),
    Scenario("cr", "line-ends cr; answer", "Lines end with CR alone.", (24,)),
    Scenario(
        "split-utf8",
        'writes split-utf8; text "Zoë "; text "日本 "; text "🙂 "; answer',
        "Characters torn over writes.",
        (24,),
    ),
    Scenario("byte-by-byte", "writes byte; answer", "Each byte in a write of its own.", (24,)),
    Scenario("one-write", "writes batch; answer", "All events in one write.", (24,)),
    Scenario("nul", 'text "a\\u0000b "; answer', "A NUL in the text.", (24,)),
    Scenario("big-delta", "tokens 3; big-delta; answer", "A delta of 10 MB.", (25,)),
    Scenario("no-newline", "tokens 3; no-newline", "A line of 300 MB.", (26,)),
    Scenario("gzip-bomb", "gzip-bomb", "A small body that unpacks to 1 GB.", (26,)),
    Scenario("huge-error", "status 500 body=flood", "An error body of 300 MB.", (26,)),
    Scenario("length", "tokens 3; finish length; usage; done", "The token limit is hit.", (27,)),
    Scenario(
        "content-filter", "tokens 3; finish content_filter; done", "A filter cuts it off.", (28,)
    ),
    Scenario(
        "content-filter-first", "finish content_filter; done", "A filter lets nothing out.", (28,)
    ),
    Scenario("refusal", "refusal; finish; usage; done", "The model declines, in words.", (29,)),
    Scenario("empty-answer", "role; finish; usage; done", "A whole answer of no text.", (30,)),
    Scenario("tool-call", "tool-call; finish tool_calls; done", "A tool call nobody asked for."),
    Scenario("reasoning", "reasoning; answer", "Reasoning before the answer."),
    Scenario(
        "cached", "rest; finish; usage cached=1 reasoning=2; done", "Usage with all its numbers."
    ),
    Scenario("stray-response", "answer; stray", "A second response, unasked.", (49,)),
    Scenario("stray-timeout", "answer; stray timeout", "A 408 behind the answer.", (49,)),
    Scenario("stray-head", "answer; stray head", "The head of a response, unasked.", (49,)),
    Scenario("not-http", "garbage", "Bytes that are not HTTP."),
)

SCENARIOS: dict[str, Scenario] = {one.name: one for one in _ALL}
"""Every scenario by its name."""
