import gzip
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running_service import ROOT, RunningService, start_service
from tests.service.raw_connections import connect_and_send, get, receive_all
from tests.service.requests import problem

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MAX_SCRIPT_BYTES = 96 * 1024
MAX_SCRIPT_BYTES_OF_A_PAGE = 60 * 1024
pytestmark = pytest.mark.skipif(not (ROOT / "web" / "dist").is_dir(), reason="the page is not built")


def read_asset_names(html: str) -> list[str]:
    return re.findall(r"(?:src|href)=\"\./(page/[^\"]+)\"", html)


def test_browsers_get_the_page_and_programs_the_index(api: httpx.Client) -> None:
    page = api.get("/", headers=HTML)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for accept in ("*/*", "application/json"):
        index = api.get("/", headers={"accept": accept})
        assert index.json()["links"]["runs"] == "v1/runs"
    assert page.headers["vary"] == index.headers["vary"] == "Accept"


def test_the_page_runs_only_its_own_scripts(api: httpx.Client) -> None:
    page = api.get("/", headers=HTML)
    policy = dict(each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on[a-z]+=", page.text)
    # A relative address works behind a proxy that adds a prefix.
    assert not re.search(r"(?:src|href)=\"(?:/|[a-z]+:)", page.text)


def test_assets_are_compressed_and_kept_by_browsers_while_the_page_is_asked_for_again(api: httpx.Client) -> None:
    page = api.get("/", headers=HTML)
    assert page.headers["cache-control"] == "no-cache"
    names = read_asset_names(page.text)
    assert {Path(name).suffix for name in names} == {".js", ".css", ".svg"}
    for name in names:
        asset = api.get(f"/{name}", headers={"accept-encoding": "gzip"})
        assert asset.headers["content-encoding"] == "gzip"
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["vary"] == "Accept-Encoding"
        plain = api.get(f"/{name}", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.content == asset.content == (ROOT / "web" / "dist" / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    ["../index.html", "..%2findex.html", "%2e%2e/index.html", "..%2f..%2fpackage.json", "nothing.js", ".", "%00"],
)
def test_no_other_file_can_be_read(service: RunningService, name: str) -> None:
    # A client library would resolve `..` before it asks.
    request = get(f"/page/{name}", headers="Host: localhost\r\nConnection: close\r\n")
    response = receive_all(connect_and_send(service.url, request))
    assert response.startswith(b"HTTP/1.1 404 ")


def read_script(name: str) -> str:
    return (ROOT / "web" / "dist" / "page" / name).read_text(encoding="utf-8")


def find_imports(name: str, pattern: str) -> set[str]:
    return set(re.findall(pattern + r"[`\"']\./([\w.-]+\.js)[`\"']", read_script(name)))


def collect_scripts(name: str) -> set[str]:
    """Returns a script with all that it imports before it runs."""
    found: set[str] = set()
    names = {name}
    while names:
        name = names.pop()
        found.add(name)
        names |= find_imports(name, r"\b(?:from|import) ?") - found
    return found


def measure(names: set[str]) -> int:
    return sum(len(gzip.compress(read_script(name).encode())) for name in names)


def test_each_page_loads_at_most_60_kib_of_scripts_and_all_scripts_have_at_most_96(api: httpx.Client) -> None:
    (entry,) = (Path(name).name for name in read_asset_names(api.get("/", headers=HTML).text) if name.endswith(".js"))
    pages = find_imports(entry, r"\bimport\(")
    sizes = {page: measure(collect_scripts(entry) | collect_scripts(page)) for page in pages}
    folders = {each.name for each in (ROOT / "web" / "src" / "pages").iterdir() if each.is_dir()}
    # A hash of eight characters may have a hyphen.
    assert {page[: -len("-12345678.js")] for page in pages} == folders
    assert max(sizes.values()) <= MAX_SCRIPT_BYTES_OF_A_PAGE, sizes
    scripts = {each.name for each in (ROOT / "web" / "dist" / "page").glob("*.js")}
    assert set().union(*(collect_scripts(page) for page in pages), {entry}) == scripts
    assert measure(scripts) <= MAX_SCRIPT_BYTES


def test_the_code_of_a_page_has_the_headers_of_an_asset(api: httpx.Client) -> None:
    for script in (ROOT / "web" / "dist" / "page").glob("*.js"):
        # A browser keeps it for ever, so its name must change with its content.
        assert re.fullmatch(r"\w+-[\w-]{8}\.js", script.name)
        response = api.get(f"/page/{script.name}")
        assert response.headers["content-type"].startswith("text/javascript")
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.content == script.read_bytes()


@pytest.fixture
def unbuilt(redis_server: str, tmp_path: Path) -> Iterator[tuple[RunningService, Path]]:
    """A service of a checkout without a page, and the folder in which its build would be."""
    shutil.copytree(ROOT / "service", tmp_path / "checkout" / "service")
    (tmp_path / "home").mkdir()
    service = start_service(redis_server, tmp_path / "home", folder=tmp_path / "checkout")
    yield service, tmp_path / "checkout" / "web" / "dist"
    service.end()


def test_without_a_build_the_page_says_how_to_build_it_and_then_it_is_there(
    unbuilt: tuple[RunningService, Path],
) -> None:
    service, folder = unbuilt
    with httpx.Client(base_url=service.url, headers=HTML, trust_env=False) as browser:
        page = browser.get("/")
        assert page.status_code == 200
        assert "python web/build.py" in page.text
        problem(browser.get("/page/index.js"), 404)
        assert browser.get("/v1/workers").status_code == 200
        shutil.copytree(ROOT / "web" / "dist", folder)
        built = browser.get("/")
        assert [browser.get(f"/{name}").status_code for name in read_asset_names(built.text)] == [200] * 3
