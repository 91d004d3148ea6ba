"""What a route handler gets: the services of its worker, and one exchange with its lease and exit stack."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack

from litestar import Request

from gateway.api.auth import Authenticator
from gateway.api.interruption import WATCH_AFTER_S, Interruptions
from gateway.api.lease import Counts, Lease
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
    ) -> None:
        self.counts = counts
        self.upstreams = upstreams
        self.catalog = Catalog(upstreams)
        self.authenticator = Authenticator(settings.keys, open_to_all=settings.no_auth)
        self.max_body_bytes = settings.server.max_body_mb << 20
        self.clock = clock
        self.new_id = new_id or random_request_ids()
        self.running = Interruptions(watch_after_s)
        self.draining = False


class Exchange:
    """One request: the services, its lease, and the stack that ends the lease.

    `take_stack()` moves the ownership to the response. A stack that is still here when the handler is done, because
    the handler raised, is closed by the dependency that opened it.
    """

    __slots__ = ("_stack", "lease", "services")

    def __init__(self, services: Services, lease: Lease, stack: ExitStack) -> None:
        self.services = services
        self.lease = lease
        self._stack = stack

    def take_stack(self) -> ExitStack:
        """Return the stack; from now on its new owner must close it."""
        return self._stack.pop_all()


def random_request_ids() -> Callable[[], str]:
    """Return a source of ids with 64 random bits; they have to be unique, not hard to guess."""
    bits = random.Random().getrandbits
    return lambda: f"req_{bits(64):016x}"


async def open_exchange(request: Request) -> AsyncIterator[Exchange]:  # type: ignore[type-arg]
    """The one dependency of the counted routes: opens the lease when the request head has arrived."""
    services: Services = request.app.state.services
    with ExitStack() as stack:
        lease = stack.enter_context(
            Lease(
                services.counts,
                clock=services.clock,
                method=request.scope["method"],
                path=request.scope["path"],
                request_id=services.new_id(),
            )
        )
        yield Exchange(services, lease, stack)
