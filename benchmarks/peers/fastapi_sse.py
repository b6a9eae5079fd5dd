"""LangChain's `astream` behind FastAPI, as server-sent events."""

import json
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

app = FastAPI()
model = ChatOpenAI(model="gpt-4o-mini")


class Message(BaseModel):
    """The request."""

    content: str


async def events(content: str) -> AsyncIterator[str]:
    """Yield an event for each chunk, then the event that ends the stream."""
    async for chunk in model.astream(content):
        if chunk.content:
            yield f"data: {json.dumps({'content': chunk.content})}\n\n"
    yield "data: [DONE]\n\n"


@app.post("/chat")
async def chat(message: Message) -> StreamingResponse:
    """Stream the model's answer."""
    return StreamingResponse(events(message.content), media_type="text/event-stream")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
