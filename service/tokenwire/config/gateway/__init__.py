"""The gateway file: upstreams, models and their routes."""

from tokenwire.config.gateway.model import GatewayFile, ModelSection, RouteSection, UpstreamSection
from tokenwire.config.gateway.reading import (
    GatewayFileError,
    LoadedGateway,
    default_model,
    load_gateway,
)

__all__ = [
    "GatewayFile",
    "GatewayFileError",
    "LoadedGateway",
    "ModelSection",
    "RouteSection",
    "UpstreamSection",
    "default_model",
    "load_gateway",
]
