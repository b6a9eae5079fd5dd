"""docs/clients.md: its table of fields is what the service does with them."""

import re
from typing import Final

from support.programs import ROOT
from tokenwire.api.xai.service import METHODS
from tokenwire.api.xai.unserved import UNSERVED
from tokenwire.xai.v1 import xai_pb2 as pb

DOC: Final = (ROOT / "docs" / "clients.md").read_text("utf-8")
ROWS: Final = re.findall(r"^\| (.*) \| (.*) \|$", DOC.partition("| Field | |")[2], re.MULTILINE)
REJECTED: Final = "rejected"


def names(rows: list[str]) -> list[str]:
    """Return the names in the first column of rows, in order."""
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_every_field_of_a_request_has_one_row() -> None:
    """Each field that is served is in the table once."""
    served = names([fields for fields, what in ROWS if what != REJECTED])
    contract = [field.name for field in pb.GetCompletionsRequest.DESCRIPTOR.fields]
    assert sorted(served) == sorted(contract)


def test_every_field_that_is_not_served_is_rejected() -> None:
    """The rejected fields are those of the code, each once."""
    rejected = names([fields for fields, what in ROWS if what == REJECTED])
    unserved = {name for fields in UNSERVED.values() for name in fields.values()}
    assert sorted(rejected) == sorted(unserved)


def test_it_names_the_methods() -> None:
    """Each method that is served is named."""
    for method in METHODS:
        assert re.search(rf"`(?:{re.escape(method.service)}/)?{method.name}`", DOC)
