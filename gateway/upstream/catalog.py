"""The models that clients may ask for: the configured names, and what providers list behind configured patterns."""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog

from gateway.errors import RequestError
from gateway.upstream.client import Upstreams
from gateway.upstream.provider import ProviderClient

log = structlog.get_logger("gateway.upstream")

# A provider's list changes a few times a year; a minute keeps a menu fresh and spares the provider.
_KEEP_S = 60.0
# A menu that waits longer for one slow provider is worse than a menu without it.
_PATIENCE_S = 5.0


class _Entry(msgspec.Struct):
    id: str


class _Listing(msgspec.Struct):
    data: list[_Entry]


class CatalogEntry(msgspec.Struct, frozen=True):
    """One model name, and the provider that serves it first."""

    id: str
    provider: str


class Catalog:
    """Lists models; a provider that cannot be asked keeps the names that it listed last, and is named in the log.

    A provider is asked by one task at a time, for all who want to know. Only they wait for it who come before it has
    ever answered or failed; everybody else gets the names that are there, which the task brings up to date.
    """

    def __init__(self, upstreams: Upstreams, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstreams = upstreams
        self._clock = clock
        self._listed: dict[str, tuple[float, list[str]]] = {}
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    def find(self, name: str) -> CatalogEntry | None:
        """Return the entry of a name that the router would accept, or None."""
        model = self._upstreams.router.match(name)
        return CatalogEntry(name, model.targets[0].provider) if model is not None else None

    async def entries(self) -> list[CatalogEntry]:
        """Return the configured names first, then the providers' names that the router sends to that provider."""
        wanted = [client for client in self._upstreams.providers.values() if client.kind != "echo"]
        listings = await asyncio.gather(*(self._list(client) for client in wanted))
        names = dict.fromkeys(self._upstreams.router.exact_names)
        entries = [entry for entry in map(self.find, names) if entry is not None]
        for client, listed in zip(wanted, listings, strict=True):
            for name in listed:
                entry = self.find(name)
                if entry is not None and entry.provider == client.name and name not in names:
                    names[name] = None
                    entries.append(entry)
        return entries

    async def aclose(self) -> None:
        """Ask nobody any more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _list(self, client: ProviderClient) -> list[str]:
        kept = self._listed.get(client.name)
        if kept is not None and self._clock() - kept[0] < _KEEP_S:
            return kept[1]
        task = self._asking.get(client.name)
        if task is None:
            task = self._asking[client.name] = asyncio.create_task(self._ask(client))
            task.add_done_callback(lambda _: self._asking.pop(client.name))
        # Whoever waits may leave; the others still want to know.
        return kept[1] if kept is not None else await asyncio.shield(task)

    async def _ask(self, client: ProviderClient) -> list[str]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                listing = msgspec.json.decode(await client.list_models(), type=_Listing)
        except (RequestError, TimeoutError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("model list unavailable", provider=client.name, error=str(error) or "no answer in time")
            _, names = self._listed.get(client.name, (0.0, []))
        else:
            names = [entry.id for entry in listing.data]
        self._listed[client.name] = (self._clock(), names)
        return names
