"""What a command needs to read the status page of a server."""

from pydantic import Field, SecretStr, ValidationError

from tokenwire.config.problems import SettingsError
from tokenwire.config.reading import problem_of
from tokenwire.config.sources import SourcedSettings
from tokenwire.config.values import SecretHeader


class StatusAccess(SourcedSettings):
    """The one setting of the server that its operator's commands share.

    Attributes:
        status_token: The bearer token of the status page, or None.
    """

    status_token: SecretHeader = Field(None, validation_alias="TOKENWIRE_STATUS_TOKEN")


def status_token() -> SecretStr | None:
    """Return the value of TOKENWIRE_STATUS_TOKEN, or None if it is not set.

    Raises:
        SettingsError: It is no value of a header, or a mounted file cannot be read.
    """
    try:
        return StatusAccess().status_token
    except ValidationError as error:
        raise SettingsError([problem_of(StatusAccess, each) for each in error.errors()]) from None
