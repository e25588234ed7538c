"""Limits how many wrong keys one client address may send."""

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.types import Scope as AsgiScope

from bakehouse.settings import Settings, split_at_commas
from service.errors import TooManyFailures

MAX_FAILURES = 10
WINDOW_SECONDS = 60.0
# Beyond this number, the addresses that sent nothing for longest are forgotten.
MAX_ADDRESSES = 10_000
# A network of this prefix is usually one client's.
IPV6_PREFIX = 64


@dataclass
class Attempts:
    """The API keys that came from one client address: when some were refused, and which were accepted."""

    failures: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_FAILURES))
    """Times of the latest failures."""
    accepted: set[str] = field(default_factory=set)
    """Ids of keys that were accepted from the address: they stay usable while somebody else there guesses keys."""


class FailureLimit:
    """Counts failures by client address."""

    def __init__(self, settings: Settings) -> None:
        self._proxies = [ip_network(item, strict=False) for item in split_at_commas(settings.trusted_proxies)]
        self._by_address: OrderedDict[str, Attempts] = OrderedDict()

    def address(self, scope: AsgiScope) -> str:
        """Returns the address of the client. A trusted proxy appends it to `X-Forwarded-For`."""
        peer = scope["client"][0] if scope["client"] else ""
        # To parse an address takes longer than the rest of a check.
        if not self._proxies or not self._is_trusted(peer):
            return peer
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        return forwarded[-1].decode("latin-1").rpartition(",")[2].strip() if forwarded else peer

    def check(self, address: str, key_id: str | None) -> None:
        """Raises TooManyFailures if the address has sent too many wrong keys, unless this key was accepted before."""
        attempts = self._by_address.get(network(address))
        if attempts is None or len(attempts.failures) < MAX_FAILURES or key_id in attempts.accepted:
            return
        left = attempts.failures[0] + WINDOW_SECONDS - time.monotonic()
        if left > 0:
            raise TooManyFailures(MAX_FAILURES, left)

    def note_failure(self, address: str) -> None:
        """Counts a wrong key. Raises TooManyFailures if the address has sent too many already."""
        self.check(address, None)
        self._attempts(address).failures.append(time.monotonic())

    def note_success(self, address: str, key_id: str) -> None:
        """Notes that a key was accepted."""
        self._attempts(address).accepted.add(key_id)

    def _attempts(self, address: str) -> Attempts:
        name = network(address)
        attempts = self._by_address.setdefault(name, Attempts())
        self._by_address.move_to_end(name)
        if len(self._by_address) > MAX_ADDRESSES:
            self._by_address.popitem(last=False)
        return attempts

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in proxies for proxies in self._proxies)


def network(address: str) -> str:
    """Returns the addresses that count as one client."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))
