"""Signing in with an API key, in a real browser before a service that asks for keys."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from bakehouse.access.hash_key import make_hash_key
from bakehouse.access.scope import Scope
from bakehouse.access.store import ApiKeyStore
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import LOG, RunningService, start_service
from tests.web.accessibility import assert_accessible

RECIPE = {"dataset": "iris", "architecture": "linear", "epochs": 3}


@dataclass(frozen=True)
class Guarded:
    """A service with keys."""

    service: RunningService
    store: ApiKeyStore

    def make(self, *scopes: Scope) -> str:
        """Returns the text of a new key with the name ada."""
        return self.store.create(make_hash_key(self.service.home), name="ada", scopes=scopes, seconds=None)[1]

    def submit(self, key: str, name: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        url = f"{self.service.url}/v1/runs"
        answer = httpx.post(url, json={**RECIPE, "name": name}, headers=headers, trust_env=False)
        assert answer.status_code == 201


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, home = tmp_path_factory.mktemp("redis"), tmp_path_factory.mktemp("home")
    server = start_redis(folder)
    make_hash_key(home)
    service = start_service(socket_url(folder), home)
    with Redis.from_url(socket_url(folder)) as redis:
        yield Guarded(service, ApiKeyStore(redis))
    service.end()
    stop_redis(server)
    assert "Traceback" not in (home / LOG).read_text()


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_is_typed_once_and_is_nowhere_where_a_script_could_read_it(guarded: Guarded, page: Page) -> None:
    key = guarded.make("read", "submit")
    secret = key.partition(".")[2]
    page.goto(guarded.service.url)
    heading(page, "This needs an API key")
    assert_accessible(page)
    sign_in(page, "key_222222222222." + "a" * 43)
    expect(page.get_by_role("alert")).to_have_text("The service does not accept this key.")
    sign_in(page, f" {key} ")
    heading(page, "Runs")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("ada")
    assert_accessible(page)
    readable = "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href"
    assert secret not in page.evaluate(readable)
    assert "bakehouse_session" not in page.evaluate("document.cookie")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert secret not in cookie["value"]
    # The stream of events has the session too.
    guarded.submit(key, "a live run")
    expect(page.get_by_role("link", name="a live run")).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{guarded.service.url}/?page=data")
    heading(other, "Data")


def test_signing_out_ends_the_session_everywhere(guarded: Guarded, page: Page) -> None:
    page.goto(guarded.service.url)
    sign_in(page, guarded.make("read"))
    heading(page, "Runs")
    cookies = page.context.cookies()
    page.get_by_role("button", name="Sign out").click()
    heading(page, "This needs an API key")
    assert page.context.cookies() == []
    page.context.add_cookies(cookies)  # type: ignore[arg-type]  # what it returns, it takes
    page.reload()
    heading(page, "This needs an API key")


def test_a_key_that_is_revoked_signs_its_browsers_out(guarded: Guarded, page: Page) -> None:
    key = guarded.make("read")
    page.goto(guarded.service.url)
    sign_in(page, key)
    heading(page, "Runs")
    guarded.store.revoke(key.partition(".")[0])
    heading(page, "This needs an API key")
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_what_a_key_does_not_permit_is_said_and_another_key_can_be_used(guarded: Guarded, page: Page) -> None:
    page.goto(guarded.service.url)
    sign_in(page, guarded.make("submit"))
    heading(page, "Your API key does not permit this")
    expect(page.get_by_role("main")).to_contain_text("scope `read`")
    expect(page.get_by_role("main")).to_contain_text("permits: submit")
    assert_accessible(page)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sign_in(page, guarded.make("read"))
    heading(page, "Runs")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto(f"{guarded.service.url}/?page=new")
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_role("alert").first).to_contain_text("scope `submit`")


def test_a_service_without_keys_asks_for_none(service: RunningService, page: Page) -> None:
    page.goto(service.url)
    heading(page, "Runs")
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
