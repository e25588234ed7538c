"""HTTP with patience: asks again when a connection is lost or the service is busy, and not for ever."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from bakehouse.client.errors import ClientClosed, ClientError, UnexpectedAnswer, Unreachable, refusal

ParsedModel = TypeVar("ParsedModel", bound=BaseModel)

RESTART_DELAYS = (0.1, 0.2, 0.4, 0.8)
# A service that has answered once is being restarted, or the network is away for a moment.
LONG_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)
PATIENCE_SECONDS = 60.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Patience:
    """How often and how long one thing is tried."""

    def __init__(self, pauses: Iterable[float] = RESTART_DELAYS) -> None:
        self._pauses = iter(pauses)
        self._until = time.monotonic() + PATIENCE_SECONDS

    def after(self, error: ClientError) -> None:
        """Waits before the next try, as long as the service asked for; raises the error when it is of no use."""
        asked = error.retry_after
        if asked is None and not error.is_passing:
            raise error
        pause = next(self._pauses, None) if asked is None else asked
        if pause is None or time.monotonic() + pause > self._until:
            raise error
        # Many clients lose the same service at once; they shall not come back at once.
        time.sleep(pause * random.uniform(1.0, 1.3))


class Connection:
    """One service. Safe to share between threads."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise Unreachable(url, "an address begins with http:// or https://")
        self._http = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
            limits=httpx.Limits(max_connections=None),
            follow_redirects=True,
            # A proxy for the world does not lead to this machine.
            trust_env=urlsplit(self.url).hostname not in LOOPBACK,
        )

    def close(self) -> None:
        """Ends all connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer below 400; raises ClientError."""
        patience = Patience()
        while True:
            try:
                return self._once(method, path, **options)
            except ClientError as error:
                patience.after(error)

    def _once(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self.translated():
            response = self._http.request(method, path, **options)
        if response.status_code >= 400:
            raise refusal(response)
        return response

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str], read_timeout: float) -> Iterator[httpx.Response]:
        """An answer below 400 whose body is read piece by piece, once; raises ClientError."""
        timeout = httpx.Timeout(5.0, read=read_timeout)
        with self.translated(), self._http.stream("GET", path, headers=dict(headers), timeout=timeout) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise refusal(answer)
            yield answer

    @contextmanager
    def translated(self) -> Iterator[None]:
        """httpx's errors as ours."""
        if self._http.is_closed:
            raise ClientClosed
        try:
            yield
        except httpx.TransportError as error:
            raise Unreachable(self.url, error) from error

    def get(self, kind: type[ParsedModel], path: str, **options: Any) -> ParsedModel:
        """A GET whose answer is a document."""
        return self.parse(kind, self.request("GET", path, **options))

    def parse(self, kind: type[ParsedModel], response: httpx.Response) -> ParsedModel:
        """The document of an answer; fields that only a newer service knows are passed over."""
        try:
            return kind.model_validate_json(response.content, extra="ignore")
        except ValidationError as error:
            raise UnexpectedAnswer(str(response.url), error) from error
