"""What a protocol function raises: the text is fit for the client, `param` names the offending field."""

# A message may quote what the client wrote, which may be as long as a body.
_MAX_MESSAGE_LENGTH = 500


class MalformedRequest(ValueError):
    """The request body is not what the protocol asks for; the message has at most 500 characters."""

    def __init__(self, message: str, param: str | None = None) -> None:
        message = shortened(message, _MAX_MESSAGE_LENGTH)
        super().__init__(message)
        self.message = message
        self.param = None if param is None else shortened(param, _MAX_MESSAGE_LENGTH)


def shortened(text: str, most: int) -> str:
    """Return `text`, or its two ends if it has more than `most` characters; what is left out shows as dots."""
    if len(text) <= most:
        return text
    half = (most - 3) // 2
    return f"{text[:half]}...{text[-half:]}"
