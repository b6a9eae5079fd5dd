"""Helpers that many tests share."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterable, Iterable
from pathlib import Path

import grpc
import httpx2
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb


async def collect(call: AsyncIterable[pb.Answer]) -> list[pb.Answer]:
    """Return all answers of a call that succeeds."""
    return [answer async for answer in call]


async def next_of(call: "grpc.aio.UnaryStreamCall[pb.Message, pb.Answer]") -> pb.Answer:
    """Return the next answer of a call that has not ended."""
    answer = await call.read()
    assert isinstance(answer, pb.Answer)
    return answer


def text_of(answers: list[pb.Answer]) -> str:
    return "".join(answer.content for answer in answers)


async def failure_of(
    call: AsyncIterable[pb.Answer],
) -> tuple[list[pb.Answer], grpc.aio.AioRpcError]:
    """Return the answers and the error of a call that fails."""
    answers: list[pb.Answer] = []

    async def read() -> None:
        async for answer in call:
            answers.append(answer)  # noqa: PERF401 - those before the failure must be kept

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read()
    return answers, caught.value


async def ended(
    call: AsyncIterable[pb.Answer],
) -> tuple[list[pb.Answer], grpc.aio.AioRpcError | None]:
    """Read a call to its end; return its answers, and its error if it failed."""
    answers = []
    try:
        async for answer in call:
            answers.append(answer)  # noqa: PERF401 - keeps the answers before a failure
    except grpc.aio.AioRpcError as error:
        return answers, error
    return answers, None


def details_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the rich status of a failure."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            return status_pb2.Status.FromString(value)
    raise AssertionError(f"no status details in {error.trailing_metadata()}")


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the reason in the failure's google.rpc.ErrorInfo."""
    info = error_details_pb2.ErrorInfo()
    assert _unpack(details_of(error).details, info)
    assert info.domain == "tokenwire"
    return str(info.reason)


def retry_delay_of(error: grpc.aio.AioRpcError) -> float | None:
    """Return the delay in the failure's google.rpc.RetryInfo, in seconds."""
    retry = error_details_pb2.RetryInfo()
    if not _unpack(details_of(error).details, retry):
        return None
    return float(retry.retry_delay.ToMilliseconds()) / 1000


def pushback_of(error: grpc.aio.AioRpcError) -> str | None:
    """Return what a failure tells gRPC's own retry policy."""
    value = dict(error.trailing_metadata() or ()).get("grpc-retry-pushback-ms")
    return None if value is None else str(value)


def violated_fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the fields in the failure's google.rpc.BadRequest."""
    return [violation.field for violation in violations_of(error)]


def violations_of(
    error: grpc.aio.AioRpcError,
) -> list[error_details_pb2.BadRequest.FieldViolation]:
    """Return the fields, with their descriptions, in the failure's google.rpc.BadRequest."""
    bad_request = error_details_pb2.BadRequest()
    assert _unpack(details_of(error).details, bad_request)
    return list(bad_request.field_violations)


def _unpack(details: Iterable[any_pb2.Any], into: Message) -> bool:
    return any(detail.Unpack(into) for detail in details)


async def scrape(app: App) -> str:
    """Return the text that Prometheus would scrape."""
    async with httpx2.AsyncClient() as client:
        return (await client.get(f"http://{app.metrics_address}/metrics")).text


async def run_python(*arguments: str, cwd: Path | None = None) -> str:
    """Run Python in a separate process; return what it printed. It must exit with 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=cwd, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


def sample(metrics: str, name: str, **labels: str) -> float | None:
    """Return the value of one series, or None if it does not exist."""
    for line in metrics.splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if match and match[1] == name and labels.items() == _labels(match[2]).items():
            return float(match[3])
    return None


def _labels(text: str | None) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', text or ""))
