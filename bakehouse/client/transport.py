"""HTTP requests that block, and HTTP requests in an event loop, with methods of the same names.

The client is written once, as coroutines. With a `BlockingTransport` they never wait for an event loop, so `finish` and
`iterate` run them to their end in the thread of the caller.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


Pieces = Callable[[], Iterator[bytes]]
"""A function that yields the pieces of a body."""


class Transport(Protocol):
    """The requests that a connection sends, and the waits between them."""

    @property
    def http(self) -> httpx.Client | httpx.AsyncClient:
        """The client of httpx."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Returns a response whose body has not been read yet."""

    async def read(self, response: httpx.Response) -> None:
        """Reads the whole body."""

    def iter_bytes(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """Yields the body piece by piece."""

    def iter_messages(self, response: httpx.Response) -> AsyncIterator[ServerSentEvent]:
        """Yields the messages of an event stream."""

    async def close_response(self, response: httpx.Response) -> None:
        """Gives the connection of a response back."""

    async def call(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        """Calls a function that reads or writes files."""

    def body(self, pieces: Pieces) -> Iterable[bytes] | AsyncIterable[bytes]:
        """Returns the body of a request, which is read anew for each attempt and is never in memory as a whole."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""

    async def close(self) -> None:
        """Closes all connections."""


class BlockingTransport:
    """Requests that block the thread of the caller."""

    def __init__(self, **options: Any) -> None:
        self.http = httpx.Client(**options)

    async def send(self, request: httpx.Request) -> httpx.Response:
        return self.http.send(request, stream=True)

    async def read(self, response: httpx.Response) -> None:
        response.read()

    async def iter_bytes(self, response: httpx.Response) -> AsyncIterator[bytes]:
        for chunk in response.iter_bytes():
            yield chunk

    async def iter_messages(self, response: httpx.Response) -> AsyncIterator[ServerSentEvent]:
        for message in EventSource(response).iter_sse():
            yield message

    async def close_response(self, response: httpx.Response) -> None:
        response.close()

    async def call(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        return function(*args, **options)

    def body(self, pieces: Pieces) -> Iterable[bytes]:
        return BlockingBody(pieces)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - there is no event loop

    async def close(self) -> None:
        self.http.close()


class AsyncTransport:
    """Requests in an event loop."""

    def __init__(self, **options: Any) -> None:
        self.http = httpx.AsyncClient(**options)

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await self.http.send(request, stream=True)

    async def read(self, response: httpx.Response) -> None:
        await response.aread()

    async def iter_bytes(self, response: httpx.Response) -> AsyncIterator[bytes]:
        async for chunk in response.aiter_bytes():
            yield chunk

    async def iter_messages(self, response: httpx.Response) -> AsyncIterator[ServerSentEvent]:
        async for message in EventSource(response).aiter_sse():
            yield message

    async def close_response(self, response: httpx.Response) -> None:
        await response.aclose()

    async def call(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        # The command line imports this module, and does without asyncio, whose import takes 30 ms.
        import asyncio  # noqa: PLC0415

        return await asyncio.to_thread(function, *args, **options)

    def body(self, pieces: Pieces) -> AsyncIterable[bytes]:
        return AsyncBody(pieces, self)

    async def sleep(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415

        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self.http.aclose()


@dataclass(frozen=True)
class BlockingBody:
    """A body that is read piece by piece."""

    pieces: Pieces

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces()


@dataclass(frozen=True)
class AsyncBody:
    """A body that is read piece by piece, in threads."""

    pieces: Pieces
    transport: AsyncTransport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.pieces()
        while piece := await self.transport.call(next, pieces, b""):
            yield piece


def finish(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Returns the result of a coroutine that has a blocking transport."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise AssertionError("a coroutine with a blocking transport waited for an event loop")


def iterate(items: AsyncGenerator[Result]) -> Iterator[Result]:
    """Yields the items of an asynchronous generator that has a blocking transport."""
    try:
        while True:
            try:
                item = finish(anext(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        finish(items.aclose())
