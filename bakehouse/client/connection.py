"""HTTP requests to the service, repeated for a limited time when the connection is lost or the service is busy."""

import math
import random
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from bakehouse.client.errors import ClientClosed, ClientError, UnexpectedAnswer, Unreachable, error_of

ParsedModel = TypeVar("ParsedModel", bound=BaseModel)

RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8)  # seconds
# If a service has answered before, it is probably restarting, or the network is interrupted: waiting longer helps.
LONG_RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)
MAX_RETRY_SECONDS = 60.0
CONNECT_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Retries:
    """Delays between the attempts at one request, each at least `at_least` seconds. All delays end within a minute of
    the first failure."""

    def __init__(self, delays: Iterable[float] = RETRY_DELAYS, *, at_least: float = 0.0) -> None:
        self._delays = iter(delays)
        self._at_least = at_least
        self._deadline: float | None = None

    def wait_or_raise(self, error: ClientError) -> None:
        """Waits before the next attempt, at least as long as the service asked; raises the error if no attempt is
        left."""
        requested = error.retry_after
        if requested is None and not error.is_transient:
            raise error
        # A stream may be quiet for hours before it fails, so the time counts from the failure.
        self._deadline = self._deadline or time.monotonic() + MAX_RETRY_SECONDS
        # A time that the service asked for uses up no delay: only the deadline limits such attempts.
        delay = next(self._delays, math.inf) if requested is None else requested
        delay = max(delay, self._at_least)
        if time.monotonic() + delay > self._deadline:
            raise error
        # Many clients lose the same service at once; the random factor spreads their return.
        time.sleep(delay * random.uniform(1.0, 1.3))


class Connection:
    """The HTTP connections to one service. Threads may share it."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Unreachable(url, "an address begins with http:// or https://")
        address = urlsplit(self.url)
        is_local = address.hostname in LOOPBACK
        # The certificates of all authorities take longer to load than a request takes. Without them, a redirect from
        # this machine to an https address is refused.
        certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_local and address.scheme == "http" else True
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            # Every followed run holds a connection, so a limit would block the runs beyond it.
            limits=httpx.Limits(max_connections=None),
            follow_redirects=True,
            # Proxy settings are ignored for this machine: a proxy does not reach its loopback address.
            trust_env=not is_local,
            verify=certificates,
        )

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends a request until its response has a status below 400; raises ClientError otherwise."""
        retries = Retries()
        while True:
            try:
                return self._request_once(method, path, **options)
            except ClientError as error:
                retries.wait_or_raise(error)

    def _request_once(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._translate_errors():
            response = self._http.request(method, path, **options)
        if response.status_code >= 400:
            raise error_of(response)
        return response

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str], read_timeout: float) -> Iterator[httpx.Response]:
        """Opens a response below 400 whose body is read piece by piece; does not retry. Raises ClientError."""
        timeout = httpx.Timeout(CONNECT_SECONDS, read=read_timeout)
        request = self._http.stream("GET", path, headers=dict(headers), timeout=timeout)
        with self._translate_errors(), request as response:
            if response.status_code >= 400:
                # The body of a stream has not been read yet, and the error is in it.
                response.read()
                raise error_of(response)
            yield response

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        # httpx would raise a RuntimeError, which is not an error of this client.
        if self._http.is_closed:
            raise ClientClosed
        try:
            yield
        except httpx.TransportError as error:
            raise Unreachable(self.url, error) from error

    def get(self, kind: type[ParsedModel], path: str, **options: Any) -> ParsedModel:
        """Requests a JSON document and parses it as the given model."""
        return self.parse(kind, self.request("GET", path, **options))

    def parse(self, kind: type[ParsedModel], response: httpx.Response) -> ParsedModel:
        """Parses a response as the given model; fields that only a newer service has are ignored."""
        try:
            return kind.model_validate_json(response.content, extra="ignore")
        except ValidationError as error:
            raise UnexpectedAnswer(str(response.url), error) from error
