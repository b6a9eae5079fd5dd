"""LangChain's standard tests of chat models, for ChatTokenwire.

They run in an environment of their own, by tests/tools/test_langchain.py, which starts a server
with the demo model and passes its address in the environment variable TARGET.
"""

import os
import re
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from syrupy.assertion import SnapshotAssertion

from tokenwire_client.langchain import ChatTokenwire

TARGET = os.environ["TARGET"]


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatTokenwire

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"target": "localhost:50051", "model": "some-model"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"TOKENWIRE_API_KEY": "a-key"}, self.chat_model_params, {"api_key": "a-key"}

    @pytest.mark.xfail(
        raises=ValueError,
        strict=True,
        reason="`allowed_objects='all'` means the classes that langchain-core lists by name, which "
        "are those of LangChain's partners. tests/test_langchain_model.py loads the model with "
        "`allowed_objects=[ChatTokenwire]`.",
    )
    def test_serdes(self, model: BaseChatModel, snapshot: SnapshotAssertion) -> None:
        super().test_serdes(model, snapshot)


PLANS = {
    r"customer named '(\w+)'": r'tool-call unicode_customer {"customer_name": "\1"}; finish',
    r"magic_function\(3\)": r'tool-call magic_function {"input": 3}; finish',
    r"'setup' and 'punchline' keys": r'text "{\"setup\": \"a\", \"punchline\": \"b\"}"; finish',
}
"""What the simulator does in answer to questions of tests that only a model understands."""


class PlanningChatTokenwire(ChatTokenwire):
    """The model, with a plan for the simulator in such questions."""

    def _call(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        content, call = super()._call(messages, stop, kwargs)
        for question, plan in PLANS.items():
            if (found := re.search(question, content)) is not None:
                content += f" [[demo: {found.expand(plan)}; usage; done]]"
        return content, call


class TestIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return PlanningChatTokenwire

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"target": TARGET}

    @property
    def model_override_value(self) -> str:
        return "another-model"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def enable_vcr_tests(self) -> bool:
        # There is no HTTP to record: the test asks the server each time.
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[str]]:
        details = ["audio_input", "reasoning_output", "cache_read_input", "cache_creation_input"]
        return {"invoke": details, "stream": details}

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        audio = {"type": "audio", "base64": "UklGRg==", "mime_type": "audio/wav"}
        text = {"type": "text", "text": "What do you hear?"}
        return self._answer([HumanMessage([text, audio])], stream=stream)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._answer([HumanMessage("Think!")], stream=stream, reasoning_effort="low")

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        plan = "[[demo: rest; finish; usage 50 10 cached=20; done]]"
        return self._answer([HumanMessage(f"Hello {plan}")], stream=stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._answer([HumanMessage("Hello")], stream=stream)

    def _answer(self, messages: list[BaseMessage], *, stream: bool, **kwargs: Any) -> AIMessage:
        model = ChatTokenwire(target=TARGET, **kwargs)
        if not stream:
            return model.invoke(messages)
        first, *others = model.stream(messages)
        return sum(others, start=first)
