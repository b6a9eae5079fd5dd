"""All methods of all protocols; a further protocol is a module here with a list of its methods."""

from collections.abc import Iterable
from typing import Final

import pytest

from protocols.drivers import aiplatform, chatgpt, xai
from protocols.drivers.base import ProtocolMethod, Role

METHODS: Final = (*chatgpt.METHODS, *xai.METHODS, *aiplatform.METHODS)
ASKING: Final = tuple(each for each in METHODS if each.role is not Role.LOCAL)
"""The methods that ask the upstream."""
ANSWERS: Final = tuple(each for each in METHODS if each.role is Role.ANSWER)
"""The methods that return an answer of a model."""
SETTINGS: Final = {"protocols": "xai,aiplatform", **chatgpt.SETTINGS}
"""The settings with which a server has all methods."""


def each_of(methods: Iterable[ProtocolMethod]) -> pytest.MarkDecorator:
    """Parametrise a test by methods."""
    return pytest.mark.parametrize("method", methods, ids=str)
