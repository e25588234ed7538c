"""The documentation page in a browser."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.nginx import running_nginx
from tests.running_service import RunningService

# The sandbox needs rights that containers rarely have; the other flags stop the browser's own requests.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr", "--v=0",
    "--virtual-time-budget=20000", "--dump-dom",
]  # fmt: skip


@pytest.fixture(params=["direct", "behind a proxy"])
def address(request: pytest.FixtureRequest, service: RunningService, tmp_path: Path) -> Iterator[str]:
    """The address of the service, with and without a prefix of the path."""
    if request.param == "direct":
        yield service.url
    else:
        with running_nginx(service.url, tmp_path) as url:
            yield url


def test_the_page_shows_every_operation_and_obeys_its_content_security_policy(address: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium")
    command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", f"{address}/docs"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    described = httpx.get(f"{address}/openapi.json", trust_env=False).json()["paths"].values()
    operations = [operation["operationId"] for path in described for operation in path.values()]
    assert [name for name in operations if f'{name}"' not in shown.stdout] == []
    # The browser logs a console message for each request that the policy forbids.
    assert "CONSOLE" not in shown.stderr
