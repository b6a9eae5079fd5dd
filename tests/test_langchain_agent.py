"""Agents, tools and structured output of LangChain, over a real server with the demo model."""

import json
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.runnables import Runnable
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import create_react_agent
from pydantic import BaseModel
from typing_extensions import TypedDict

from support.app import StartApp
from support.chat_model import chat_model, in_thread
from support.scripted_server import ScriptedServer, hangs_after, says
from tokenwire_client.langchain import ChatTokenwire
from tokenwire_demo import DemoUpstream

OLD_NAME = "ignore:create_react_agent has been moved"
QUESTION: Any = {"messages": [HumanMessage("What is the weather in Oslo?")]}


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"It rains in {city}."


async def get_weather_async(city: str) -> str:
    """Return the weather of a city."""
    return f"It rains in {city}."


@pytest.fixture
async def model(start_app: StartApp) -> AsyncIterator[ChatTokenwire]:
    """A chat model of a real server, which sends each token in an Answer of its own."""
    app = await start_app(merge_tokens=False)
    async with chat_model(app.address) as opened:
        yield opened


def check_conversation(messages: list[Any]) -> None:
    """Check that the tool was called once, and that the answer has its result."""
    kinds = [type(message) for message in messages]
    assert kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert messages[1].tool_calls[0]["args"] == {"city": "Oslo"}
    assert messages[2].content == "It rains in Oslo."
    assert "It rains in Oslo." in messages[3].text
    assert messages[3].usage_metadata["total_tokens"] > 0


@pytest.mark.filterwarnings(OLD_NAME)
async def test_a_react_agent(model: ChatTokenwire, upstream: DemoUpstream) -> None:
    """LangGraph's prebuilt agent calls its tool, and answers with the result."""
    agent = create_react_agent(model, [get_weather])
    check_conversation((await agent.ainvoke(QUESTION))["messages"])
    assert upstream.requests_seen == 2
    check_conversation((await in_thread(lambda: agent.invoke(QUESTION)))["messages"])


async def test_an_agent_that_streams(model: ChatTokenwire) -> None:
    """LangChain's agent streams the tokens of each answer, and its checkpoint continues."""
    agent = create_agent(model, [get_weather_async], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    seen: list[AIMessageChunk] = []
    async for chunk, _ in agent.astream(QUESTION, thread, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk):
            seen.append(chunk)
    assert sum(bool(chunk.tool_call_chunks) for chunk in seen) >= 1
    assert sum(bool(chunk.text) for chunk in seen) > 10
    state = await agent.aget_state(thread)
    check_conversation(state.values["messages"])
    more = await agent.ainvoke({"messages": [HumanMessage("And now?")]}, thread)
    assert len(more["messages"]) == 6


async def test_the_state_of_an_agent_comes_back(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """The upstream gets back what it needs of its first answer, also if that is not shown."""
    app = await start_app()
    async with chat_model(app.address, reasoning_effort="low") as model:
        agent = create_agent(model, [get_weather])
        async for _ in agent.astream(QUESTION, stream_mode="messages"):
            pass
    _, second = upstream.requests
    assert "does not reason" in second.body["messages"][1]["reasoning_content"]


async def test_leaving_an_agent_cancels_its_call() -> None:
    """If an agent is stopped while its model writes, the call is cancelled."""
    async with ScriptedServer(hangs_after("a")) as server, chat_model(server.address) as model:
        agent = create_agent(model, [get_weather])
        stream = agent.astream(QUESTION, stream_mode="messages")
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined] # an async generator
        await server.cancelled.wait()


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


class WeatherDict(TypedDict):
    """The weather of a city."""

    city: str
    degrees: int


Method = Literal["json_schema", "function_calling"]


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output(
    model: ChatTokenwire, method: Method, *, strict: bool | None
) -> None:
    """An answer is an object of the class, or a dict of the schema, streamed or whole."""
    asked = model.with_structured_output(Weather, method=method, strict=strict)
    assert isinstance(await asked.ainvoke("The weather in Oslo?"), Weather)
    streamed = [each async for each in asked.astream("The weather in Oslo?")]
    assert isinstance(streamed[-1], Weather)
    for schema in (WeatherDict, Weather.model_json_schema()):
        plain: Runnable[Any, Any]
        plain = model.with_structured_output(schema, method=method, strict=strict)
        assert set(await plain.ainvoke("The weather in Oslo?")) == {"city", "degrees"}


async def test_structured_output_with_the_message(model: ChatTokenwire) -> None:
    """With `include_raw`, the message is there too, and an error in place of an exception."""
    asked: Runnable[Any, Any] = model.with_structured_output(Weather, include_raw=True)
    found: Any = await asked.ainvoke("The weather in Oslo?")
    assert isinstance(found["parsed"], Weather)
    assert json.loads(found["raw"].text) == found["parsed"].model_dump()
    assert found["parsing_error"] is None
    async with ScriptedServer(says("no JSON")) as server, chat_model(server.address) as wrong:
        asked = wrong.with_structured_output(Weather, include_raw=True)
        found = await asked.ainvoke("The weather in Oslo?")
        assert found["parsed"] is None
        assert isinstance(found["parsing_error"], OutputParserException)
        asked = wrong.with_structured_output(Weather)
        with pytest.raises(OutputParserException, match="no JSON"):
            await asked.ainvoke("The weather in Oslo?")


def test_an_unknown_method_is_rejected() -> None:
    """A method that does not exist raises a ValueError with those that do."""
    model = ChatTokenwire(target="a:1")
    with pytest.raises(ValueError, match="it must be json_schema, function_calling or json_mode"):
        model.with_structured_output(Weather, method="magic")  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy])
async def test_an_agent_with_structured_output(model: ChatTokenwire, strategy: Any) -> None:
    """An agent's answer is an object of its response format, by a format or by a tool."""
    agent = create_agent(model, [get_weather], response_format=strategy(Weather))
    found: Any = await agent.ainvoke(QUESTION)
    assert isinstance(found["structured_response"], Weather)
