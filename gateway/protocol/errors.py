"""What a protocol function raises: the text is fit for the client, `param` names the offending field."""


class MalformedRequest(ValueError):
    """The request body is not what the protocol asks for."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
