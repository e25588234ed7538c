"""A real Chromium before a real home. A test fails if a page logs an error, breaks its content security policy, or asks
another host for something."""

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.running_home import RunningHome, run_home
from tests.running_service import RunningService

# Chromium's own services would look for hosts of their makers.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
# The browser logs a failed request as an error; a test that takes the service away expects that.
NETWORK_ERRORS = ("Failed to load resource", "net::ERR_")

OpenPage = Callable[..., Page]


# A slow machine needs more than the usual 5 s.
expect.set_options(timeout=20_000)


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
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    """A home that all tests of a process share; each test makes runs of its own."""
    with run_home(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def api(service: RunningService) -> Iterator[httpx.Client]:
    """A client of a service without workers; tests write what workers would with a fake one."""
    with httpx.Client(base_url=service.url, timeout=20, trust_env=False) as api:
        yield api


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without history, whose pages are watched for errors."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(20_000)
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
