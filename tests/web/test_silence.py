"""A connection that dies without a word, as behind a router that forgets it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from bakehouse.client import Client
from service.frames import HEARTBEAT
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.web.views import chart, expect_rows, open_run

CHUNK_BYTES = 65_536
# Longer than two and a half of the 15 s within which a heartbeat comes, and than the pause before a new attempt.
SILENCE_MS = 40_000


class ForgetfulProxy:
    """Forwards connections to the service. While it is silent, it keeps them open and drops what is sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_silent = False
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                service = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [client, service]
                for source, target in ((client, service), (service, client)):
                    threading.Thread(target=self.forward, args=(source, target), daemon=True).start()

    def forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if not self.is_silent:
                    target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Ends all connections."""
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()
        self.forget()
        for each in self.sockets:
            each.close()


@pytest.fixture
def proxy(service: RunningService) -> Iterator[ForgetfulProxy]:
    proxy = ForgetfulProxy(urlsplit(service.url).port or 0)
    yield proxy
    proxy.close()


def test_a_connection_that_dies_silently_is_noticed_and_made_again_without_a_gap(
    proxy: ForgetfulProxy, client: Client, worker: FakeWorker, page: Page
) -> None:
    run = client.submit({"dataset": "iris", "architecture": "mlp", "epochs": 9})
    worker.claim(run.id)
    worker.log_losses(run.id, [3, 2])
    page.clock.install()
    open_run(page, proxy.url, run.id)
    expect_rows(chart(page, "Loss"), 2)
    lost = page.get_by_text("The connection to the service is lost")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    proxy.is_silent = True
    worker.log_losses(run.id, [1])
    page.clock.fast_forward(SILENCE_MS)
    expect(lost).to_be_visible()
    # An attempt that gets no answer is given up too.
    page.clock.fast_forward(SILENCE_MS)
    expect(lost).to_be_visible()
    proxy.is_silent = False
    proxy.forget()
    page.clock.fast_forward(SILENCE_MS)
    expect_rows(chart(page, "Loss"), 3)
    expect(lost).to_have_count(0)
    worker.log_losses(run.id, [0.5])
    expect_rows(chart(page, "Loss"), 4)


def test_a_browser_sees_heartbeats(service: RunningService, page: Page) -> None:
    page.goto(service.url)
    page.route("**/heartbeats", lambda route: route.fulfill(content_type="text/event-stream", body=HEARTBEAT))
    seen = page.evaluate(
        """() => new Promise((resolve) => {
            const source = new EventSource("heartbeats");
            source.addEventListener("heartbeat", ({data, lastEventId}) => {
                source.close();
                resolve([data, lastEventId]);
            });
        })"""
    )
    assert seen == ["", ""]
