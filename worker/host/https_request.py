"""Sends a request by HTTPS to an address that was checked, and reads the response within time limits.

The libraries for HTTP look the host up themselves, follow redirects, and take as long as the server does. This one
connects to the very address that was checked, so that a name whose address changes meanwhile leads nowhere else.
"""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import h11
import httpx

from bakehouse.uploads.addresses import Address, AddressRefused
from bakehouse.version import VERSION
from worker.host.resolved_hosts import Endpoint, HostNotFound, resolve

BLOCK_BYTES = 1 << 18
CONNECT_SECONDS = 10.0
HEADER_SECONDS = 30.0
"""Time for the connection, the request and the header of the response together."""
STALL_SECONDS = 30.0
"""Time after which a connection on which nothing arrives is taken for lost."""
MIN_BYTES_PER_SECOND = 1024
SLOW_SECONDS = 30.0
"""Length of the stretches of time, in each of which so many bytes a second have to arrive."""
EXCESS_SECONDS = 1.0
"""Time in which a server that was asked to close the connection shows whether it has sent all."""


class Cut(Exception):
    """Raised if the connection fails or ends too early; the same request may succeed later."""


class FetchRefused(AddressRefused):
    """Raised for what the same request would only meet again."""


@dataclass(frozen=True)
class Deadline:
    """The time by which everything must be over, by the monotonic clock."""

    ends_at: float
    why: str = "it takes longer than BAKEHOUSE_FETCH_SECONDS allows"
    """What is said of a server that has not answered by then."""

    def wait(self, at_most: float) -> float:
        """Returns for how long to wait now. Raises FetchRefused if the time is over."""
        remaining = self.ends_at - time.monotonic()
        if remaining <= 0:
            raise FetchRefused(self.why)
        return min(at_most, remaining)


class Pace:
    """Refuses a server that sends so slowly that it would take up a place for ever."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bytes = 0

    def count(self, size: int) -> None:
        """Counts bytes that have arrived. Raises FetchRefused."""
        self._bytes += size
        seconds = time.monotonic() - self._since
        if seconds < SLOW_SECONDS:
            return
        if self._bytes < MIN_BYTES_PER_SECOND * seconds:
            raise FetchRefused(f"the server sends fewer than {MIN_BYTES_PER_SECOND:,} bytes a second")
        self._since += seconds
        self._bytes = 0


class Wire:
    """An encrypted connection on which a request has been sent."""

    def __init__(self, stream: ssl.SSLSocket, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self._state = h11.Connection(h11.CLIENT)

    def send(self, request: h11.Request) -> None:
        """Sends a request without a body."""
        with cuts():
            self._stream.settimeout(self._deadline.wait(STALL_SECONDS))
            self._stream.sendall((self._state.send(request) or b"") + (self._state.send(h11.EndOfMessage()) or b""))

    def header(self) -> h11.Response:
        """Reads the header of the response."""
        own = time.monotonic() + HEADER_SECONDS
        by = self._deadline
        if own < by.ends_at:
            by = Deadline(own, f"the server takes longer than {HEADER_SECONDS:g} seconds to answer")
        while True:
            match self._next(by):
                case h11.Response() as response:
                    return response
                case h11.InformationalResponse():
                    continue
                case _:
                    raise Cut("the connection was cut")

    def body(self) -> Iterator[bytes]:
        """Yields the body block by block. Raises Cut if the connection ends before it does."""
        pace = Pace()
        while True:
            match self._next(self._deadline):
                case h11.Data(data=data):
                    pace.count(len(data))
                    yield bytes(data)
                case h11.EndOfMessage():
                    return
                case _:
                    raise Cut("the connection was cut")

    def has_more(self) -> bool:
        """Returns whether anything follows the body, although the server was asked to close the connection."""
        if self._state.trailing_data[0]:
            return True
        # A server that keeps the connection open says nothing.
        with suppress(OSError):
            self._stream.settimeout(self._deadline.wait(EXCESS_SECONDS))
            return bool(self._stream.recv(1))
        return False

    def _next(self, deadline: Deadline) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            with cuts():
                event = self._state.next_event()
                if event is not h11.NEED_DATA:
                    return event
                self._stream.settimeout(deadline.wait(STALL_SECONDS))
                self._state.receive_data(self._stream.recv(BLOCK_BYTES))


@contextmanager
def cuts() -> Iterator[None]:
    """Raises errors of the connection, and of what arrives by it, as Cut."""
    try:
        yield
    except TimeoutError as error:
        raise Cut("the server sends nothing") from error
    except OSError as error:
        raise Cut("the connection was cut") from error
    except h11.RemoteProtocolError as error:
        raise Cut(f"the connection was cut, or what the server sends is not HTTP: {error}") from error


@dataclass(frozen=True)
class Response:
    """A response whose body is still to be read."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    wire: Wire


@contextmanager
def open_response(
    address: Address, headers: Mapping[str, str], *, may_be_private: bool, deadline: Deadline
) -> Iterator[Response]:
    """Asks a server for a file. Raises Cut, and AddressRefused if the host or its certificate is refused."""
    with connect(address, may_be_private=may_be_private, deadline=deadline) as stream:
        wire = Wire(stream, deadline)
        always = {
            "Host": address.authority,
            "User-Agent": f"bakehouse/{VERSION}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        wire.send(h11.Request(method="GET", target=address.path, headers=list({**always, **headers}.items())))
        header = wire.header()
        # Header fields are Latin-1; h11 has the names in lower case.
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in header.headers}
        yield Response(header.status_code, fields, wire)


@contextmanager
def connect(address: Address, *, may_be_private: bool, deadline: Deadline) -> Iterator[ssl.SSLSocket]:
    """Connects to the first address of a host that answers."""
    try:
        endpoints = resolve(address, may_be_private=may_be_private)
    except HostNotFound as error:
        raise Cut(str(error)) from error
    try:
        # The authorities of SSL_CERT_FILE or SSL_CERT_DIR, or else those of the package certifi.
        context = httpx.create_ssl_context()
    except OSError as error:
        raise FetchRefused("the authorities that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read") from error
    with open_socket(address, endpoints, deadline) as plain:
        try:
            # A connection that ends without a goodbye was cut: it may have carried a half of the file.
            stream = context.wrap_socket(plain, server_hostname=address.host, suppress_ragged_eofs=False)
        except ssl.SSLCertVerificationError as error:
            raise FetchRefused(f"the certificate of {address.host} is refused: {error.verify_message}") from error
        except OSError as error:
            raise Cut(f"{address.host} does not speak HTTPS, or has ended the connection") from error
        with stream:
            yield stream


def open_socket(address: Address, endpoints: list[Endpoint], deadline: Deadline) -> socket.socket:
    """Connects to the first endpoint that answers."""
    for endpoint in endpoints:
        seconds = deadline.wait(CONNECT_SECONDS)
        plain = socket.socket(endpoint.family, socket.SOCK_STREAM)
        try:
            plain.settimeout(seconds)
            plain.connect(endpoint.place)
        except OSError:
            plain.close()
            continue
        return plain
    raise Cut(f"{address.authority} does not answer")
