"""The error tree: each class says whose fault it is, what the client sees and how the request is counted.

GatewayError
├── StartupError                 the process cannot start or go on; carries the exit code
│   ├── ConfigError              a setting is wrong: exit 2, names the file, the field and the remedy
│   └── ServeError               a runtime failure such as a port in use: exit 1
└── RequestError                 one request fails; carries the HTTP status, the error type and the outcome
    ├── ClientError              the client's fault
    │   ├── AuthenticationError  401, counted as `auth`
    │   ├── InvalidRequest       400, counted as `validation`
    │   ├── ModelNotFound        404, counted as `validation`
    │   ├── BodyTooLarge         413, counted as `validation`
    │   ├── BodyTooSlow          408, counted as `validation`
    │   ├── HeadersTooLarge      431, counted as `validation`
    │   └── TooManyRequests      429, counted as `validation`: its key has as many requests open as it may
    ├── UpstreamError            the provider's fault, counted as `upstream`
    │   ├── UpstreamUnreachable  502: nothing was sent
    │   │   └── ConnectionTooSlow  504, counted as `timeout`
    │   ├── UpstreamBroken       502: the answer broke off or is not HTTP
    │   ├── UpstreamRefusal      the provider's own status: its error, where it cannot be passed on as a response
    │   └── UpstreamTimeout      504, counted as `timeout`
    ├── GatewayFault             500, counted as `internal`: a bug in us, or a shutdown that cuts a request
    └── Overloaded               503, counted as `internal`: as many requests are open as the gateway takes
"""

from typing import ClassVar

from gateway.metrics.outcome import Outcome


class GatewayError(Exception):
    """The root: its text is one sentence that is fit to be shown."""


class StartupError(GatewayError):
    """The process cannot start or go on."""

    exit_code: ClassVar[int] = 1


class ConfigError(StartupError):
    """A setting is wrong; the text names the file, the field and the remedy."""

    exit_code = 2


class ServeError(StartupError):
    """The server cannot run, for example because the port is in use."""


class RequestError(GatewayError):
    """One request fails; `status` is the HTTP status and `outcome` how it is counted."""

    status: int = 500
    outcome: ClassVar[Outcome] = Outcome.INTERNAL
    retry_after_s: ClassVar[int | None] = None
    """After how many seconds the client is asked to try again."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class ClientError(RequestError):
    """The client's fault."""

    status = 400
    outcome = Outcome.VALIDATION


class AuthenticationError(ClientError):
    """The client key is missing or unknown."""

    status = 401
    outcome = Outcome.AUTH


class InvalidRequest(ClientError):
    """The request cannot be understood or cannot be served as it is asked."""


class ModelNotFound(ClientError):
    """No configured model matches the name that the client asked for."""

    status = 404


class BodyTooLarge(ClientError):
    """The request body is longer than `server.max_body_mb`."""

    status = 413


class BodyTooSlow(ClientError):
    """The request body did not come within `timeouts.request_idle` or `timeouts.request_body`."""

    status = 408


class HeadersTooLarge(ClientError):
    """The request's headers are longer than `server.max_header_kb`, or too many."""

    status = 431


# Long enough for another request to end, and short enough to be obeyed: the official SDKs ignore more than a minute.
_TRY_AGAIN_S = 1


class TooManyRequests(ClientError):
    """The client key has `max_concurrent` requests open."""

    status = 429
    retry_after_s = _TRY_AGAIN_S

    def __init__(self, message: str) -> None:
        super().__init__(message, code="too_many_concurrent_requests")


class UpstreamError(RequestError):
    """The provider's fault."""

    status = 502
    outcome = Outcome.UPSTREAM


class UpstreamUnreachable(UpstreamError):
    """There was no connection, so that certainly nothing was sent."""


class ConnectionTooSlow(UpstreamUnreachable):
    """There was no connection within `timeouts.connect`."""

    status = 504
    outcome = Outcome.TIMEOUT


class UpstreamBroken(UpstreamError):
    """The provider's answer broke off or was not valid HTTP."""


class UpstreamRefusal(UpstreamError):
    """The provider answered with an error after the client's stream had begun."""

    def __init__(self, message: str, *, status: int, code: str | None, param: str | None) -> None:
        super().__init__(message, code=code, param=param)
        self.status = status


class UpstreamTimeout(UpstreamError):
    """The provider was silent for longer than a configured timeout, after it was sent something."""

    status = 504
    outcome = Outcome.TIMEOUT


class GatewayFault(RequestError):
    """A bug in the gateway, or a shutdown that cuts a request short."""


class Overloaded(RequestError):
    """The worker has `server.max_concurrent` requests open."""

    status = 503
    retry_after_s = _TRY_AGAIN_S

    def __init__(self, message: str) -> None:
        super().__init__(message, code="overloaded")
