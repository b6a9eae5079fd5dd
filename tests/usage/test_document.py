"""docs/usage.md describes exactly the fields of a record, and its code counts each once."""

import json
import re
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry

from support.fenced import defined_by, fenced
from support.programs import ROOT
from tokenwire.core.domain import Usage
from tokenwire.core.prices import Price
from tokenwire.observability.metrics.usage import UsageMetrics
from tokenwire.observability.usage import writer
from tokenwire.observability.usage.record import VERSION, UsageRecord

DOC = (ROOT / "docs/usage.md").read_text("utf-8")
[EXAMPLE] = fenced(DOC, "json")
TYPES = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": float,
    "object": dict,
    "string or null": str,
    "integer or null": int,
}


def test_its_fields_are_those_of_a_record() -> None:
    """The table has the fields in their order, with the types of the example."""
    rows = re.findall(r"^\| `(\w+)` \| ([a-z ]+) \| ", DOC, re.MULTILINE)
    names = [field.name for field in msgspec.structs.fields(UsageRecord)]
    assert [name for name, _ in rows] == names
    example = json.loads(EXAMPLE)
    assert list(example) == names
    for name, kind in rows:
        assert isinstance(example[name], TYPES[kind]), name
    nullable = {
        field.name
        for field in msgspec.structs.fields(UsageRecord)
        if type(None) in getattr(field.type, "__args__", ())
    }
    assert {name for name, kind in rows if kind.endswith("or null")} == nullable


def test_its_example_is_a_record() -> None:
    """The example is a record of this version, and its cost is right."""
    record = msgspec.json.decode(EXAMPLE, type=UsageRecord, strict=True)
    assert record.version == VERSION
    price = Price("smart", 1.25, 10, 0.125)
    usage = Usage(record.input_tokens, record.output_tokens, record.cached_input_tokens)
    assert record.cost_nanodollars == price.nanodollars(usage)


def test_its_code_counts_each_record_once(tmp_path: Path) -> None:
    """Records that are written twice count once, and half a line does not matter."""
    record = msgspec.json.decode(EXAMPLE)
    lines = [
        *(json.dumps(record | {"id": number, "cost_nanodollars": 10**9}) for number in "112"),
        json.dumps(record | {"id": "3", "cost_nanodollars": None, "caller": None}),
    ]
    path = tmp_path / "usage.jsonl"
    path.write_text("\n".join([lines[0], '{"id": "ha', *lines[1:]]) + "\n")
    [code] = fenced(DOC, "python")
    assert defined_by(code)["nanodollars"](path) == {"team-a": 2 * 10**9, None: 0}


def test_its_numbers_are_those_of_the_code() -> None:
    """The times and sizes of the page are those of the writer, and its metrics exist."""
    assert f"{writer.QUEUE_BYTES >> 20} MiB" in DOC
    assert f"within {writer.CLOSE_SECONDS:.0f} seconds" in DOC
    assert (writer.SYNC_SECONDS, writer.RETRY_SECONDS) == (1, 1)
    assert writer.QUEUE_BYTES // len(EXAMPLE) > 60_000
    registry = CollectorRegistry()
    UsageMetrics(registry)
    for name in re.findall(r"^\| `(tokenwire_\w+)` \|", DOC, re.MULTILINE):
        assert name.removesuffix("_total") in {family.name for family in registry.collect()}
