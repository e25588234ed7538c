"""A proxy that cuts connections."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from bakehouse.client import AsyncClientRun, Client, ClientRun
from tests.running_service import RunningService

CutUrl = Callable[[list[int]], str]


class CuttingProxy:
    """Forwards bytes to the service; cuts the nth connection after `cuts[n]` bytes of responses, and no later one."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self.port = port
        self.cuts = list(cuts)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                downstream, _ = self.listener.accept()
                limit = self.cuts.pop(0) if self.cuts else None
                threading.Thread(target=self.serve, args=(downstream, limit), daemon=True).start()

    def serve(self, downstream: socket.socket, limit: int | None) -> None:
        with downstream, socket.create_connection(("127.0.0.1", self.port)) as upstream:
            requests = threading.Thread(target=pump, args=(downstream, upstream, None), daemon=True)
            requests.start()
            pump(upstream, downstream, limit)
            for side in (upstream, downstream):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            requests.join()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    """Copies bytes until one side ends or the limit is reached."""
    with suppress(OSError):
        while limit is None or limit > 0:
            received = source.recv(4096 if limit is None else min(4096, limit))
            if not received:
                return
            sink.sendall(received)
            limit = None if limit is None else limit - len(received)


def through(client: Client, run: ClientRun) -> ClientRun:
    """The run as another client knows it, without a request."""
    return ClientRun(AsyncClientRun(client._async._connection, run.record))


@pytest.fixture
def cut_url(service: RunningService) -> Iterator[CutUrl]:
    """The service's address through a proxy that cuts connections."""
    with ExitStack() as stack:

        def start_proxy(cuts: list[int]) -> str:
            proxy = CuttingProxy(urlsplit(service.url).port or 80, cuts)
            stack.callback(proxy.close)
            return proxy.url

        yield start_proxy
