"""The gateway file: upstreams, models and their routes."""

from tokenwire.config.gateway.callers import CallerSection
from tokenwire.config.gateway.model import GatewayFile, ModelSection, RouteSection, UpstreamSection
from tokenwire.config.gateway.reading import (
    GatewayFileError,
    LoadedGateway,
    default_model,
    load_gateway,
)

__all__ = [
    "CallerSection",
    "GatewayFile",
    "GatewayFileError",
    "LoadedGateway",
    "ModelSection",
    "RouteSection",
    "UpstreamSection",
    "default_model",
    "load_gateway",
]
