"""The responses that own a lease and come from the gateway itself: a refusal, an answer of its own, and none at all."""

from litestar.types import Receive, Scope, Send

from gateway.api.context import Exchange
from gateway.api.lease import Lease
from gateway.errors import BodyTooSlow, ClientError, InvalidRequest, RequestError
from gateway.metrics.outcome import Outcome
from gateway.protocol.dialect import Dialect
from gateway.upstream.headers import RawHeaders

JSON = (b"content-type", b"application/json")
# Tells the official SDKs, and Claude Code, not to try again (`_base_client.py`).
DO_NOT_RETRY = (b"x-should-retry", b"false")


async def send_whole(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    """Send a response in one piece."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def error_answer(dialect: Dialect, error: RequestError, request_id: str) -> tuple[int, RawHeaders, bytes]:
    """Return the status, headers and body that tell a client of an error in its own protocol.

    What is the client's fault stays so when it is tried again, unless it is only too early or too slow. Claude Code
    does that for minutes with a wrong key, ten times and without a word, unless it is told not to.
    """
    body = dialect.error_body(error.status, error.message, param=error.param, code=error.code, request_id=request_id)
    headers = [JSON, *dialect.request_id_headers(request_id)]
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    elif isinstance(error, ClientError) and not isinstance(error, BodyTooSlow):
        headers.append(DO_NOT_RETRY)
    return error.status, headers, body


async def send_own(send: Send, dialect: Dialect, lease: Lease, body: bytes) -> None:
    """Send the gateway's own answer to what no provider has answered."""
    lease.settle(Outcome.OK)
    lease.status = 200
    await send_whole(send, 200, [JSON, *dialect.request_id_headers(lease.request_id)], body)


class Refusal:
    """Answers with an error that was found before anything went upstream.

    It keeps what the error says and not the error. That holds the frames it came through, and from Python 3.12 on those
    that called them, one of which holds this response: a cycle with the request in it, and the server does not close a
    connection whose request somebody holds.
    """

    def __init__(self, exchange: Exchange, dialect: Dialect, error: RequestError) -> None:
        self._stack = exchange.take_stack()
        self._lease = exchange.lease
        self._lease.fail(error)
        self._answer = error_answer(dialect, error, self._lease.request_id)
        self._body_is_read = exchange.body_is_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the error in the client's envelope; the lease ends behind it."""
        with self._stack:
            status, headers, body = self._answer
            self._lease.status = status
            if not self._body_is_read and scope["http_version"].startswith("1"):
                # The server closes a connection with a body that nobody wants; its client must not use it again.
                headers.append((b"connection", b"close"))
            await send_whole(send, status, headers, body)


class OwnAnswer:
    """Answers what needs no provider."""

    def __init__(self, exchange: Exchange, dialect: Dialect, body: bytes) -> None:
        self._stack = exchange.take_stack()
        self._lease = exchange.lease
        self._dialect = dialect
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; the lease ends behind it."""
        with self._stack:
            await send_own(send, self._dialect, self._lease, self._body)


class Vanished:
    """Ends the lease of a client that left before its request was complete."""

    def __init__(self, exchange: Exchange, dialect: Dialect) -> None:
        self._stack = exchange.take_stack()
        self._lease = exchange.lease
        self._dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Settle as cancelled; 499 is what nginx logs for it.

        The server says the same of a client whose chunks are none, and which is still there to be told.
        """
        with self._stack:
            self._lease.settle(Outcome.CANCELLED)
            self._lease.status = 499
            error = InvalidRequest("The request body broke off, or is not framed as HTTP wants it.")
            status, headers, body = error_answer(self._dialect, error, self._lease.request_id)
            await send_whole(send, status, headers, body)
