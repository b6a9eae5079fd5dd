"""Google's Gemini API, with thought signatures.

https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/thought-signatures:
the signature of a call must come back with it, or the API answers with 400.
"""

import json
from typing import Any

from tokenwire.v1 import chatgpt_pb2 as pb
from tools.conversations import story
from tools.conversations.wire import Wire, events


def event(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an event with these parts."""
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1},
        "modelVersion": "model-1",
        "responseId": "id-1",
        **fields,
    }


def end(prompt: int, answer: int, thoughts: int, cached: int) -> dict[str, Any]:
    """Return the last event."""
    content = {"parts": [{"text": ""}], "role": "model"}
    counts = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + answer + thoughts,
        "cachedContentTokenCount": cached,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        "thoughtsTokenCount": thoughts,
    }
    candidate = {"content": content, "finishReason": "STOP", "index": 0}
    return event(candidates=[candidate], usageMetadata=counts)


def thought(text: str) -> dict[str, Any]:
    """Return a part with a summary of the reasoning."""
    return {"text": text, "thought": True}


def call(call_id: str, name: str, arguments: str, signature: str = "") -> dict[str, Any]:
    """Return a part with a tool call, as the upstream sends it and receives it again."""
    signed = {"thoughtSignature": signature} if signature else {}
    function = {"id": call_id, "name": name, "args": json.loads(arguments)}
    return {"functionCall": function, **signed}


FIRST_CALLS = [
    call("g-a", "get_weather", story.ZURICH, "c2lnbmVkLTE="),
    # Of parallel calls, only the first one is signed.
    call("g-b", "get_weather", story.OSLO),
]
SECOND_CALLS = [call("g-c", "get_time", story.OSLO, "c2lnbmVkLTI=")]

ANSWERS = [
    events(
        event(thought(story.FIRST_THOUGHT[:9])),
        event(thought(story.FIRST_THOUGHT[9:])),
        event(FIRST_CALLS[0]),
        event(FIRST_CALLS[1]),
        end(90, 29, 11, 0),
    ),
    events(
        event(thought(story.SECOND_THOUGHT), *SECOND_CALLS),
        end(150, 15, 5, 64),
    ),
    events(
        event({"text": story.ANSWER[:13]}),
        event({"text": story.ANSWER[13:]}),
        end(180, 12, 0, 128),
    ),
]


def tool(name: str, description: str) -> dict[str, Any]:
    """Return a tool as the upstream receives it."""
    schema = json.loads(story.WEATHER_SCHEMA)
    return {"name": name, "description": description, "parametersJsonSchema": schema}


def result(call_id: str, name: str, content: str) -> dict[str, Any]:
    """Return the result of a call as the upstream receives it."""
    return {"functionResponse": {"id": call_id, "name": name, "response": {"output": content}}}


SHARED = {
    "systemInstruction": {"parts": [{"text": story.SYSTEM}]},
    "tools": [
        {
            "functionDeclarations": [
                tool("get_weather", "The weather of a city."),
                tool("get_time", "The time in a city."),
            ]
        }
    ],
}
REASONING = {"thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}}
FORMAT = {
    "responseMimeType": "application/json",
    "responseJsonSchema": json.loads(story.ANSWER_SCHEMA),
}
BEGINNING = [{"role": "user", "parts": [{"text": story.QUESTION}]}]
FIRST_TURN = [
    {"role": "model", "parts": FIRST_CALLS},
    {
        "role": "user",
        "parts": [
            result("g-a", "get_weather", story.RESULTS[0]),
            result("g-b", "get_weather", story.RESULTS[1]),
        ],
    },
]
SECOND_TURN = [
    {"role": "model", "parts": SECOND_CALLS},
    {"role": "user", "parts": [result("g-c", "get_time", story.TIME)]},
]

GOOGLE = Wire(
    name="google-genai",
    settings={"provider": "google-genai"},
    path="/v1beta/models/model-1:streamgeneratecontent?alt=sse",
    headers={"x-goog-api-key": "key-1", "content-type": "application/json"},
    variables={"GOOGLE_API_KEY": "key-1"},
    address="GOOGLE_GEMINI_BASE_URL",
    requests=[
        {**SHARED, "contents": BEGINNING, "generationConfig": REASONING},
        {**SHARED, "contents": BEGINNING + FIRST_TURN, "generationConfig": REASONING},
        {
            **SHARED,
            "contents": BEGINNING + FIRST_TURN + SECOND_TURN,
            "generationConfig": {**REASONING, **FORMAT},
        },
    ],
    answers=ANSWERS,
    received=story.expected(
        ("g-a", "g-b", "g-c"),
        [
            pb.Usage(input_tokens=90, output_tokens=40, reasoning_tokens=11),
            pb.Usage(
                input_tokens=150, output_tokens=20, cached_input_tokens=64, reasoning_tokens=5
            ),
            pb.Usage(input_tokens=180, output_tokens=12, cached_input_tokens=128),
        ],
        state=False,
    ),
)
