"""AWS's own model of ConverseStream, which its SDKs are made of."""

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.eventstream import EventStream
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import EventStreamJSONParser
from botocore.validate import ParamValidator


@cache
def _operation() -> OperationModel:
    # Only the data of the package: a user's folder may have other models.
    loader = Loader(
        include_default_search_paths=False, extra_search_paths=[Loader.BUILTIN_DATA_PATH]
    )
    model = ServiceModel(loader.load_service_model("bedrock-runtime", "service-2"))
    return model.operation_model("ConverseStream")


def problems_of(body: dict[str, Any]) -> str:
    """Return what AWS's model does not allow in the body of a request; empty if it is valid."""
    request = {"modelId": "m", **body}
    report: str = ParamValidator().validate(request, _operation().input_shape).generate_report()
    return report


class _Raw(io.BytesIO):
    """The body of a response, as botocore reads it."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events in the body of an answer, as AWS's SDK reads them."""
    shape = _operation().output_shape.members["stream"]
    return list(EventStream(_Raw(body), shape, EventStreamJSONParser(), "ConverseStream"))
