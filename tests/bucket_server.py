"""A bucket of S3 for tests: moto's server in this process, which a test can make slow, or make refuse."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from bakehouse.settings import Settings
from bakehouse.store.bucket import Bucket
from tests.s3_server import write_credentials

STATUSES = {
    403: "403 Forbidden",
    500: "500 Internal Server Error",
    503: "503 Slow Down",
    507: "507 Insufficient Storage",
}
BUCKET = "bakehouse-tests"


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """Does nothing."""


@dataclass
class BucketServer:
    """The server, and what it does instead of answering as it should."""

    url: str = ""
    delay_seconds: float = 0.0
    refusal: tuple[int, str] | None = None
    """The status and the error code with which it answers."""
    refuses: Callable[[str, str], bool] = lambda method, path: True
    """Which requests are refused."""
    requests: list[tuple[str, str]] = field(default_factory=list)

    def settings(self, home: Path, prefix: str = "", **chosen: Any) -> Settings:
        """Returns the settings of a home whose store is the bucket, or a part of it."""
        home.mkdir(parents=True, exist_ok=True)
        credentials = write_credentials(home / "credentials", "key", "secret")
        address = {"store": f"s3://{BUCKET}{prefix}", "store_endpoint": self.url, "s3_credentials": credentials}
        return Settings(**{"home": home, **address, **chosen})

    def answer(self, environment: Any, start: Callable[..., Any], app: Callable[..., Iterable[bytes]]) -> Any:
        """Answers a request, by moto or by a refusal."""
        method, path = environment["REQUEST_METHOD"], environment["PATH_INFO"]
        self.requests.append((method, path))
        time.sleep(self.delay_seconds)
        if self.refusal is None or not self.refuses(method, path):
            return app(environment, start)
        # Otherwise the rest of the request would be read as the next one.
        environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        status, code = self.refusal
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>No.</Message></Error>'.encode()
        start(STATUSES[status], [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


@contextmanager
def run_bucket() -> Iterator[BucketServer]:
    """Runs a server with one empty bucket for the length of the block."""
    app = DomainDispatcherApplication(create_backend_app)
    control = BucketServer()
    server = make_server(
        "127.0.0.1",
        0,
        lambda environment, start: control.answer(environment, start, app),
        threaded=True,
        request_handler=Quiet,
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    control.url = f"http://127.0.0.1:{server.server_port}"
    httpx.post(f"{control.url}/moto-api/reset", trust_env=False).raise_for_status()
    httpx.put(f"{control.url}/{BUCKET}", trust_env=False).raise_for_status()
    try:
        yield control
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def objects_in(settings: Settings) -> dict[str, int]:
    """Returns the size of each object of a store, by key."""
    return {each.key: each.bytes for each in Bucket(settings).objects("")}
