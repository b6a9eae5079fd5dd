"""The error of a request that is invalid."""


class RequestError(ValueError):
    """The request is invalid. The message says what to change.

    Args:
        message: The message.
        param: The name of the parameter, or None.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
