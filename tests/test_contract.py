"""The contract compared with its stubs and with the original contract, in Python only."""

import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

import tokenwire.v1
import tokenwire_client.v1
from generate import google_protos

ROOT = Path(__file__).resolve().parent.parent
STUBS = Path("client") / "tokenwire_client" / "v1"


def compiled(folder: Path, name: str, output: Path) -> FileDescriptorProto:
    """Compile a proto file into its descriptor, including comments."""
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={folder}"),
            f"--proto_path={google_protos()}",
            *("--include_source_info", f"--descriptor_set_out={output}", name),
        ],
        check=True,
    )
    return FileDescriptorSet.FromString(output.read_bytes()).file[0]


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorProto:
    """The current contract."""
    output = tmp_path_factory.mktemp("contract") / "contract.binpb"
    return compiled(ROOT / "proto", "tokenwire/v1/chatgpt.proto", output)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorProto:
    """The original contract, which clients have used since before this project."""
    output = tmp_path_factory.mktemp("original") / "original.binpb"
    return compiled(ROOT / "tests", "original.proto", output)


def test_the_committed_stubs_are_fresh(tmp_path: Path) -> None:
    """The committed stubs are exactly what `make generate` writes."""
    generate = runpy.run_path(str(ROOT / "tools" / "generate.py"))
    generate["stubs"](tmp_path)

    fresh = {path.name: path.read_bytes() for path in (tmp_path / STUBS).iterdir()}
    committed = {path.name: path.read_bytes() for path in (ROOT / STUBS).glob("chatgpt_*")}
    assert fresh == committed


def test_server_and_client_share_one_copy_of_the_stubs() -> None:
    """A process that imports both the server and the client registers each message once."""
    assert tokenwire.v1.chatgpt_pb2 is tokenwire_client.v1.chatgpt_pb2
    assert tokenwire.v1.chatgpt_pb2_grpc is tokenwire_client.v1.chatgpt_pb2_grpc


def field_facts(message: DescriptorProto) -> set[tuple[object, ...]]:
    """Return the parts of a message's fields that affect the wire format or generated code."""
    return {(f.number, f.name, f.type, f.label, f.type_name) for f in message.field}


def method_facts(method: MethodDescriptorProto) -> tuple[object, ...]:
    """Return the parts of a method that affect the wire format or generated code."""
    streams = (method.client_streaming, method.server_streaming)
    return (method.name, method.input_type, method.output_type, *streams)


def test_the_package_is_the_original(
    contract: FileDescriptorProto, original: FileDescriptorProto
) -> None:
    """The package equals the original's, since it is part of the path of every call."""
    assert contract.package == original.package == "openai"


def test_every_original_field_is_still_there(
    contract: FileDescriptorProto, original: FileDescriptorProto
) -> None:
    """Each message of the original keeps each field's number, name, type and label."""
    now = {message.name: field_facts(message) for message in contract.message_type}

    missing = {
        message.name: field_facts(message) - now.get(message.name, set())
        for message in original.message_type
    }
    assert missing == {name: set() for name in ("Message", "Answer", "Params")}


def test_every_original_call_is_still_there(
    contract: FileDescriptorProto, original: FileDescriptorProto
) -> None:
    """Each method of the original keeps its service, its types and its streaming."""

    def calls(file: FileDescriptorProto) -> set[tuple[object, ...]]:
        return {(s.name, method_facts(m)) for s in file.service for m in s.method}

    assert calls(original)
    assert calls(original) <= calls(contract)


Paths = Iterator[tuple[str, tuple[int, ...]]]


def enum_paths(enum: EnumDescriptorProto, path: tuple[int, ...]) -> Paths:
    """Yield an enum and its values by name, each with its path in the source info."""
    yield enum.name, path
    number = EnumDescriptorProto.VALUE_FIELD_NUMBER
    for i, value in enumerate(enum.value):
        yield f"{enum.name}.{value.name}", (*path, number, i)


def message_paths(message: DescriptorProto, path: tuple[int, ...]) -> Paths:
    """Yield a message and all its elements by name, each with its path in the source info."""
    yield message.name, path
    for i, field in enumerate(message.field):
        yield f"{message.name}.{field.name}", (*path, DescriptorProto.FIELD_FIELD_NUMBER, i)
    for i, nested in enumerate(message.nested_type):
        if nested.options.map_entry:
            # The compiler makes it of a map, whose field has the comment.
            continue
        yield from message_paths(nested, (*path, DescriptorProto.NESTED_TYPE_FIELD_NUMBER, i))
    for i, enum in enumerate(message.enum_type):
        yield from enum_paths(enum, (*path, DescriptorProto.ENUM_TYPE_FIELD_NUMBER, i))


def element_paths(file: FileDescriptorProto) -> Paths:
    """Yield every element of the contract by name, each with its path in the source info."""
    for i, message in enumerate(file.message_type):
        yield from message_paths(message, (FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER, i))
    for i, enum in enumerate(file.enum_type):
        yield from enum_paths(enum, (FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER, i))
    for i, service in enumerate(file.service):
        path = (FileDescriptorProto.SERVICE_FIELD_NUMBER, i)
        yield service.name, path
        for j, method in enumerate(service.method):
            yield f"{service.name}.{method.name}", (*path, 2, j)  # ServiceDescriptorProto.method


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("tokenwire/v1/chatgpt.proto", {"Message.content", "Role.ROLE_USER", "Chatgpt.Send"}),
        ("tokenwire/xai/v1/xai.proto", {"Message.content", "ToolMode.TOOL_MODE_AUTO", "Chat"}),
        (
            "tokenwire/aiplatform/v1beta1/prediction_service.proto",
            {"ChatCompletionsRequest.http_body", "PredictionService.ChatCompletions"},
        ),
    ],
)
def test_everything_is_commented(name: str, some: set[str], tmp_path: Path) -> None:
    """Every message, field, enum value, service and method has a leading comment."""
    contract = compiled(ROOT / "proto", name, tmp_path / "contract.binpb")
    comments = {
        tuple(location.path): location.leading_comments.strip()
        for location in contract.source_code_info.location
    }
    elements = dict(element_paths(contract))

    assert some <= elements.keys()
    assert [name for name, path in elements.items() if not comments.get(path)] == []
