"""What LangChain's tests read from the web, served from here."""

import httpx
import pytest

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
DATA = {".png": PNG, ".wav": b"RIFF$\0\0\0WAVEfmt ", ".pdf": b"%PDF-1.4\n%%EOF\n"}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(url: str, **_options: object) -> httpx.Response:
        return httpx.Response(200, content=DATA[url[-4:]])

    monkeypatch.setattr(httpx, "get", get)
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "tokenwire")
