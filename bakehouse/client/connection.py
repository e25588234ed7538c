"""HTTP requests to the service, repeated for a limited time when the connection is lost or the service is busy."""

import math
import random
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from bakehouse.access.sent_key import headers_of
from bakehouse.client.errors import ClientClosed, ClientError, UnexpectedAnswer, Unreachable, error_of
from bakehouse.client.reading import NewerService, read
from bakehouse.client.transport import AsyncTransport, BlockingTransport, Transport
from bakehouse.version import VERSION, VERSION_HEADER

ParsedModel = TypeVar("ParsedModel", bound=BaseModel)

RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8)  # seconds
# If a service has answered before, it is probably restarting, or the network is interrupted: waiting longer helps.
LONG_RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)
MAX_RETRY_SECONDS = 60.0
CONNECT_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Retries:
    """Delays between the attempts at one request, each at least `at_least` seconds. All delays end within `patience`
    seconds of the first failure."""

    def __init__(
        self,
        delays: Iterable[float] = RETRY_DELAYS,
        *,
        at_least: float = 0.0,
        patience: float = MAX_RETRY_SECONDS,
    ) -> None:
        self._delays = iter(delays)
        self._at_least = at_least
        self._patience = patience
        self._deadline: float | None = None

    def delay_or_raise(self, error: ClientError) -> float:
        """Returns the seconds before the next attempt, at least as many as the service asked for; raises the error if
        no attempt is left."""
        requested = error.retry_after
        if requested is None and not error.is_transient:
            raise error
        # A stream may be quiet for hours before it fails, so the time counts from the failure.
        self._deadline = self._deadline or time.monotonic() + self._patience
        # A time that the service asked for uses up no delay: only the deadline limits such attempts.
        delay = next(self._delays, math.inf) if requested is None else requested
        delay = max(delay, self._at_least)
        if time.monotonic() + delay > self._deadline:
            raise error
        # Many clients lose the same service at once; the random factor spreads their return.
        return delay * random.uniform(1.0, 1.3)


class Connection:
    """The HTTP connections to one service. Threads may share it if its transport blocks."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        transport: type[BlockingTransport | AsyncTransport],
        api_key: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Unreachable(url, "an address begins with http:// or https://")
        address = urlsplit(self.url)
        is_local = address.hostname in LOOPBACK
        # The certificates of all authorities take longer to load than a request takes. Without them, a redirect from
        # this machine to an https address is refused.
        certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_local and address.scheme == "http" else True
        self.service_version: str | None = None
        """The version that the service's latest response named."""
        self.transport: Transport = transport(
            base_url=self.url,
            # A redirect to another host is followed without the key.
            headers=headers_of(api_key),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            # Every followed run holds a connection, so a limit would block the runs beyond it.
            limits=httpx.Limits(max_connections=None),
            follow_redirects=True,
            # Proxy settings are ignored for this machine: a proxy does not reach its loopback address.
            trust_env=not is_local,
            verify=certificates,
        )
        self._has_warned = False

    async def request(
        self, method: str, path: str, *, patience: float = MAX_RETRY_SECONDS, **options: Any
    ) -> httpx.Response:
        """Sends a request until its response has a status below 400, for `patience` seconds after the first failure;
        raises ClientError otherwise."""
        retries = Retries(patience=patience)
        while True:
            try:
                async with self._respond(method, path, **options) as response:
                    await self.transport.read(response)
                    return response
            except ClientError as error:
                await self.transport.sleep(retries.delay_or_raise(error))

    @asynccontextmanager
    async def stream(self, path: str, *, headers: dict[str, str], read_timeout: float) -> AsyncIterator[httpx.Response]:
        """Opens a response below 400 whose body is read piece by piece; does not retry. Raises ClientError."""
        timeout = httpx.Timeout(CONNECT_SECONDS, read=read_timeout)
        async with self._respond("GET", path, headers=headers, timeout=timeout) as response:
            yield response

    @asynccontextmanager
    async def _respond(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        # httpx would raise a RuntimeError, which is not an error of this client.
        if self.transport.http.is_closed:
            raise ClientClosed
        try:
            response = await self.transport.send(self.transport.http.build_request(method, path, **options))
            try:
                self.service_version = response.headers.get(VERSION_HEADER, self.service_version)
                if response.status_code >= 400:
                    # The problem document is in the body, which has not been read yet.
                    await self.transport.read(response)
                    raise error_of(response)
                yield response
            finally:
                await self.transport.close_response(response)
        except httpx.RequestError as error:
            raise Unreachable(self.url, error) from error

    async def get(self, kind: type[ParsedModel], path: str, **options: Any) -> ParsedModel:
        """Requests a JSON document and parses it as the given model."""
        return self.parse(kind, await self.request("GET", path, **options))

    def parse(self, kind: type[ParsedModel], response: httpx.Response) -> ParsedModel:
        """Parses a response as the given model; what only a newer service knows is kept as it was sent."""
        try:
            document, unknown = read(kind, response.content)
        except ValidationError as error:
            raise UnexpectedAnswer(response, f"{error}\n{self._versions()}") from error
        if unknown and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{self._versions()}: what this client does not know ({', '.join(unknown)}) is shown as it was sent",
                NewerService,
                stacklevel=2,
            )
        return document

    def __str__(self) -> str:
        # The service's version is known once it has answered, and only worth a word if it is another.
        service = "" if self.service_version in (None, VERSION) else f", service {self.service_version}"
        return f"{self.url}, bakehouse {VERSION}{service}"

    def _versions(self) -> str:
        return f"the service is {self.service_version or 'of an unknown version'}, this client {VERSION}"
