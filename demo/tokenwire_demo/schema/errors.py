"""Why a schema gets no instance."""

_MAX_PATH_LENGTH = 200
_MAX_NAME_LENGTH = 50


def below(path: str, *names: str) -> str:
    """Return the place of a part of the schema at `path`. Long names are cut."""
    return ".".join(filter(None, (path, *(name[:_MAX_NAME_LENGTH] for name in names))))


class SchemaError(ValueError):
    """The schema is malformed, or its instance is over a limit.

    Args:
        path: The place in the schema, such as `properties.name`; empty for the root.
        message: What is wrong there.
    """

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path[:_MAX_PATH_LENGTH]}: {message}" if path else message)


class NoInstanceError(SchemaError):
    """A part of the schema has no instance, or none that is found. Another alternative may."""
