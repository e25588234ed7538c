"""A real Chromium before a real home. A test fails if a page logs an error, breaks its content security policy, or asks
another host for something."""

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.processes import LIMIT_SECONDS
from tests.running_home import RunningHome, run_home
from tests.running_service import RunningService

# Chromium's own services would look for hosts of their makers.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
# The browser logs a failed request as an error; a test that takes the service away expects that.
NETWORK_ERRORS = ("Failed to load resource", "net::ERR_")

# For tests that would hang; a machine whose cores are busy is many times slower.
LIMIT_MS = 30_000
expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def started_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A home that all tests of a process share; each test makes runs of its own."""
    with run_home(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def api(service: RunningService) -> Iterator[httpx.Client]:
    """A client of a service without workers; tests write what workers would with a fake one."""
    with httpx.Client(base_url=service.url, timeout=20, trust_env=False) as api:
        yield api


@pytest.fixture
def home(started_home: RunningHome) -> Iterator[RunningHome]:
    """The home; runs that the test leaves unfinished are cancelled, because they would keep the worker."""
    yield started_home
    rows = started_home.get("/v1/runs?view=brief&limit=100").json()["data"]
    for run in (row["id"] for row in rows if row["status"] in ("queued", "running", "paused")):
        # A run that has ended in the meantime cannot be cancelled.
        httpx.post(f"{started_home.url}/v1/runs/{run}/cancel", timeout=LIMIT_SECONDS, trust_env=False)
        started_home.wait_for(run, "cancelled", "succeeded", "failed")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without history, whose pages are watched for errors."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(LIMIT_MS)
    context.on("page", lambda page: watch_for_errors(page, complaints))
    yield context
    context.close()
    assert complaints == []


def watch_for_errors(page: Page, complaints: list[str]) -> None:
    page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{message.type}: {message.text}")
            if message.type in ("error", "warning") and not any(text in message.text for text in NETWORK_ERRORS)
            else None
        ),
    )
    page.on("request", lambda request: note_other_host(request.url, complaints))


def note_other_host(address: str, complaints: list[str]) -> None:
    parts = urlsplit(address)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
        complaints.append(f"a request to {parts.hostname}")


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
