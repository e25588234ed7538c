"""Limits the number of requests that hold a connection for long: event streams and long polls."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

from bakehouse.settings import Settings, split_at_commas
from service.errors import TooManyStreams

MAX_STREAMS = 1000


class StreamSlots:
    """Counts the streams, in all and by client address."""

    def __init__(self, settings: Settings) -> None:
        self._max_per_address = settings.max_streams_per_address
        self._unlimited = [ip_network(item, strict=False) for item in split_at_commas(settings.trusted_proxies)]
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def hold(self, address: str) -> Iterator[None]:
        """Counts one stream of the address during the block; raises TooManyStreams at a limit."""
        if self._by_address.total() >= MAX_STREAMS:
            raise TooManyStreams(MAX_STREAMS, "in all")
        if self._by_address[address] >= self._max_per_address and not self._is_unlimited(address):
            raise TooManyStreams(self._max_per_address, "of this address")
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _is_unlimited(self, address: str) -> bool:
        parsed = ip_address(address)
        # A socket that accepts both kinds of addresses shows an IPv4 address as ::ffff:127.0.0.1.
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return parsed.is_loopback or any(parsed in network for network in self._unlimited)
