"""A client that keeps the history of what the services acknowledged to it, and asks again until they answer."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.recipes import Document

PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.05


class Unanswered(Exception):
    """Raised if no service has answered for PATIENCE_SECONDS."""


@dataclass
class Accepted:
    """A run that a service has accepted, by the answer 201."""

    run_id: str
    kind: str
    at: float
    cancelled: bool = False
    """Whether a service has acknowledged a cancel."""
    retried_as: str | None = None


@dataclass
class Client:
    """Speaks HTTP to any of the services, in turn."""

    urls: Callable[[], list[str]]
    history: dict[str, Accepted] = field(default_factory=dict)
    seconds_unanswered: float = 0.0
    """The longest time for which a call had to be repeated."""

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=10, trust_env=False, follow_redirects=True)
        self._turn = 0

    def close(self) -> None:
        self._http.close()

    def try_once(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """Returns the response of one service; None if it did not answer or is not ready to."""
        urls = self.urls()
        if not urls:
            return None
        self._turn += 1
        try:
            response = self._http.request(method, urls[self._turn % len(urls)] + path, **arguments)
        except httpx.TransportError:
            return None
        return None if response.status_code == 503 else response

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Returns the first response that is not a 503."""
        started = time.monotonic()
        while (response := self.try_once(method, path, **arguments)) is None:
            if time.monotonic() - started > PATIENCE_SECONDS:
                raise Unanswered(f"{method} {path}")
            time.sleep(PAUSE_SECONDS)
        self.seconds_unanswered = max(self.seconds_unanswered, time.monotonic() - started)
        return response

    def get(self, path: str, **arguments: Any) -> Any:
        """Returns the JSON of an answer with success."""
        response = self.call("GET", path, **arguments)
        response.raise_for_status()
        return response.json()

    def submit(self, kind: str, recipe: Document) -> str:
        """Submits a recipe under one idempotency key until a service accepts it; returns the run's id."""
        return self._create(kind, "/v1/runs", json=recipe)

    def retry(self, run_id: str) -> str:
        """Queues the recipe of a failed run again; returns the new run's id."""
        accepted = self.history[run_id]
        accepted.retried_as = self._create(accepted.kind, f"/v1/runs/{run_id}/retry")
        return accepted.retried_as

    def verify(self, run_id: str) -> str:
        """Queues a run again to compare it with the one that is over; returns the new run's id."""
        return self._create(self.history[run_id].kind, f"/v1/runs/{run_id}/verify")

    def _create(self, kind: str, path: str, **arguments: Any) -> str:
        # A reply that was lost must not make a second run.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        response = self.call("POST", path, headers=headers, **arguments)
        assert response.status_code in (201, 202), response.text
        run_id = str(response.json()["id"])
        self.history[run_id] = Accepted(run_id, kind, time.monotonic())
        return run_id

    def act(self, run_id: str, action: str) -> bool:
        """Posts an action; returns whether it was acknowledged, and not refused because of the run's state."""
        response = self.call("POST", f"/v1/runs/{run_id}/{action}")
        assert response.status_code in (200, 202, 409), response.text
        if action == "cancel" and response.is_success:
            self.history[run_id].cancelled = True
        return response.is_success

    def run(self, run_id: str) -> Any:
        """Returns a run as the service shows it."""
        return self.get(f"/v1/runs/{run_id}")

    def all_runs(self) -> Iterator[Any]:
        """Yields every run that the service lists, page after page."""
        after: dict[str, str] = {}
        while True:
            page = self.get("/v1/runs", params={"limit": 100, **after})
            yield from page["data"]
            if not page["has_more"]:
                return
            after = {"after": page["last_id"]}

    def events(self, run_id: str) -> list[Any]:
        """Returns the whole log of a run."""
        events: list[Any] = []
        last = 0
        while True:
            page = self.get(f"/v1/runs/{run_id}/events", params={"limit": 1000, "after": last})
            events += page["data"]
            last = page["last_seq"]
            if not page["has_more"]:
                return events
