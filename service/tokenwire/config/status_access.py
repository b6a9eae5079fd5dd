"""What a command needs to read the status page of a server."""

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tokenwire.config.files import MountedFiles
from tokenwire.config.problems import SettingsError
from tokenwire.config.reading import problem_of
from tokenwire.config.values import SecretHeader


class StatusAccess(BaseSettings):
    """The one setting of the server that its operator's commands share.

    Attributes:
        status_token: The bearer token of the status page, or None.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    status_token: SecretHeader = Field(None, validation_alias="TOKENWIRE_STATUS_TOKEN")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the hook's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments first, then the environment, then mounted files."""
        return init_settings, env_settings, MountedFiles(settings_cls)


def status_token() -> SecretStr | None:
    """Return the value of TOKENWIRE_STATUS_TOKEN, or None if it is not set.

    Raises:
        SettingsError: It is no value of a header, or a mounted file cannot be read.
    """
    try:
        return StatusAccess().status_token
    except ValidationError as error:
        raise SettingsError([problem_of(StatusAccess, each) for each in error.errors()]) from None
