"""The code that other languages' generators make of the contract, with protoc only."""

import re
import subprocess
import sys
from pathlib import Path

from support.programs import ROOT

PROTOC = Path(sys.executable).with_name("protoc")
MESSAGES = {"Message", "Turn", "Params", "Answer", "Reasoning", "Usage"}
MESSAGES |= {"Tool", "ToolCall", "ToolChoice", "Format", "JsonSchema", "Choices"}
MESSAGES |= {"ListModelsRequest", "ListModelsResponse", "Model", "Price", "TokenCount"}
MESSAGES |= {"EmbedRequest", "EmbedResponse", "Vector"}
ENUMS = {"Ability", "Effort", "Role", "FinishReason"}


def generated(folder: Path, language: str) -> dict[Path, str]:
    """Generate the contract's messages for a language; return the text of each file."""
    subprocess.run(
        [
            *(PROTOC, f"--proto_path={ROOT / 'proto'}", f"--{language}_out={folder}"),
            "tokenwire/v1/chatgpt.proto",
        ],
        check=True,
    )
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_text() for path in files}


def test_java_has_a_file_for_each_type(tmp_path: Path) -> None:
    """Java classes are top-level classes of the package `io.tokenwire.v1`."""
    made = generated(tmp_path, "java")

    assert {path.parent for path in made} == {Path("io/tokenwire/v1")}
    assert MESSAGES | ENUMS | {"ChatgptProto"} <= {path.stem for path in made}
    for text in made.values():
        assert "\npackage io.tokenwire.v1;\n" in text


def test_csharp_has_the_projects_namespace(tmp_path: Path) -> None:
    """C# classes are in the namespace `Tokenwire.V1`."""
    [text] = generated(tmp_path, "csharp").values()

    assert re.findall(r"^namespace (\S+) {$", text, re.MULTILINE) == ["Tokenwire.V1"]
    assert set(re.findall(r"^  public sealed partial class (\w+)", text, re.MULTILINE)) == MESSAGES
    assert set(re.findall(r"^  public enum (\w+)", text, re.MULTILINE)) == ENUMS
