"""What a route handler gets: the services of its worker, and one exchange with its lease and exit stack."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack

from litestar.types import HTTPScope

from gateway.api.admission import Admission
from gateway.api.auth import Authenticator
from gateway.api.body import BodyLimits
from gateway.api.interruption import WATCH_AFTER_S, Interruptions
from gateway.api.lease import Counts, Lease, write_log_line
from gateway.config import Settings
from gateway.upstream.catalog import Catalog
from gateway.upstream.client import Upstreams


class Services:
    """What all requests of a worker share; made once, when the application starts."""

    def __init__(
        self,
        settings: Settings,
        counts: Counts,
        upstreams: Upstreams,
        *,
        clock: Callable[[], int] = time.perf_counter_ns,
        new_id: Callable[[], str] | None = None,
        watch_after_s: float = WATCH_AFTER_S,
        log_line: Callable[[Lease, int], None] = write_log_line,
    ) -> None:
        self.counts = counts
        self.upstreams = upstreams
        self.catalog = Catalog(upstreams)
        self.authenticator = Authenticator(settings.keys, open_to_all=settings.no_auth)
        self.admission = Admission(settings.server.max_concurrent, settings.keys)
        self.keep_alive_s = settings.timeouts.keep_alive
        self.max_header_bytes = settings.server.max_header_kb << 10
        timeouts = settings.timeouts
        self.body_limits = BodyLimits(settings.server.max_body_mb << 20, timeouts.request_idle, timeouts.request_body)
        self.clock = clock
        self.new_id = new_id or random_request_ids()
        self.running = Interruptions(watch_after_s)
        self.log_line = log_line
        self.draining = False


class Exchange:
    """One request: the services, its lease, and the stack that ends the lease.

    It is injected unopened: the handler opens it and enters the stack in one step, so that nothing of Litestar's lies
    in between. `take_stack()` moves the ownership to the response; what was not taken ends when the handler does.
    """

    __slots__ = ("_stack", "body_is_read", "lease", "services")

    lease: Lease

    def __init__(self, services: Services) -> None:
        self.services = services
        self.body_is_read = False
        self._stack = ExitStack()

    def open(self, scope: HTTPScope) -> ExitStack:
        """Open the lease of the request with this head, and return the stack that ends it, for a `with`."""
        services = self.services
        self.lease = Lease(
            services.counts,
            clock=services.clock,
            method=scope["method"],
            path=scope["path"],
            request_id=services.new_id(),
            log_line=services.log_line,
        )
        self._stack.enter_context(self.lease)
        return self._stack

    def take_stack(self) -> ExitStack:
        """Return the stack; from now on its new owner must close it."""
        return self._stack.pop_all()


def random_request_ids() -> Callable[[], str]:
    """Return a source of ids with 64 random bits; they have to be unique, not hard to guess."""
    bits = random.Random().getrandbits
    return lambda: f"req_{bits(64):016x}"


def exchanges(services: Services) -> Callable[[], Exchange]:
    """Return the one dependency of the counted routes.

    It takes nothing and is no generator: Litestar would check each parameter, and closes generators before a response
    is sent, which is too early for a lease.
    """

    def new_exchange() -> Exchange:
        return Exchange(services)

    return new_exchange
