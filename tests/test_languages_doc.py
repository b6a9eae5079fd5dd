"""docs/languages.md: its code for C#, which no test compiles, fits the contract and the config."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.fenced import fenced
from support.programs import ROOT

DOC = (ROOT / "docs" / "languages.md").read_text("utf-8")
[CSHARP] = fenced(DOC, "csharp")
[ITEM] = fenced(DOC, "xml")
CONFIG = json.loads((ROOT / "examples" / "retries" / "interactive.json").read_text("utf-8"))
PROTOC = Path(sys.executable).with_name("protoc")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What protoc generates for C#."""
    folder = tmp_path_factory.mktemp("csharp")
    subprocess.run(
        [
            *(PROTOC, f"--proto_path={ROOT / 'proto'}", f"--csharp_out={folder}"),
            "tokenwire/v1/chatgpt.proto",
        ],
        check=True,
    )
    return (folder / "Chatgpt.cs").read_text("utf-8")


def test_the_names_of_csharp_are_those_of_the_contract(generated: str) -> None:
    """The namespace, the classes and the properties in the code are generated ones."""
    assert "using Tokenwire.V1;" in CSHARP
    assert "namespace Tokenwire.V1 {" in generated
    assert "new Message { Content = " in CSHARP
    assert "answer.Content" in CSHARP
    for kind in ("Message", "Answer"):
        [body] = re.findall(
            rf"public sealed partial class {kind} .*?\n  }}\n", generated, re.DOTALL
        )
        assert "public string Content {" in body


def test_the_project_item_names_the_contract() -> None:
    """The project's item points at the contract, beside the folder of the project."""
    include, root = re.findall(r'(?:Include|ProtoRoot)="\.\./([^"]+)"', ITEM)
    assert (ROOT / include).is_relative_to(ROOT / root)
    assert (ROOT / include).is_file()


def test_the_policy_of_csharp_is_the_interactive_one() -> None:
    """The retry policy in the code is that of interactive.json."""
    policy = CONFIG["methodConfig"][0]["retryPolicy"]
    found = dict(re.findall(r"(\w+) = (?:TimeSpan\.FromSeconds\()?([\d.]+)", CSHARP))
    assert float(found["MaxAttempts"]) == policy["maxAttempts"]
    assert f"{found['InitialBackoff']}s" == policy["initialBackoff"]
    assert f"{found['MaxBackoff']}s" == policy["maxBackoff"]
    assert float(found["BackoffMultiplier"]) == policy["backoffMultiplier"]
    codes = re.findall(r"StatusCode\.(\w+) }", CSHARP)
    assert [code.upper() for code in codes] == policy["retryableStatusCodes"]
    throttling = CONFIG["retryThrottling"]
    assert float(found["MaxTokens"]) == throttling["maxTokens"]
    assert float(found["TokenRatio"]) == throttling["tokenRatio"]
    assert f'Service = "{CONFIG["methodConfig"][0]["name"][0]["service"]}"' in CSHARP
