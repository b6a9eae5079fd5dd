"""The base class of the sections of the gateway file."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A map with fixed keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
