"""Every block of the how-to pages works as the page says, in the order of the page."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakehouse.cli.home.home import Home, home_running
from bakehouse.client import Client
from bakehouse.settings import Settings
from tests.running_home import LEASE_SECONDS, run_home

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [
    "agents",
    "another_learning_rate",
    "client",
    "own_data",
    "plain_pytorch",
    "predict",
    "see_augmentation",
    "several_users",
    "test_rows",
    "upload_data",
]
# Blocks with these words need another machine, an engine for containers, or a home that ends: tests of their own, here
# and in test_containers.py, check all but `git pull`.
ELSEWHERE = re.compile(r"docker compose|bakehouse worker\n|git pull|tar -|make up|du -s")


def blocks(page: str) -> list[tuple[str, str]]:
    """The language and text of each block of a page."""
    return BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8"))


def script(page: str) -> str:
    """The page's commands and programs as one shell script, as a reader pastes them into one terminal."""
    parts = []
    for language, text in blocks(page):
        if language == "sh" and not ELSEWHERE.search(text):
            parts.append(text)
        if language == "python":
            parts.append(f"{sys.executable} -c {shlex.quote(text)}\n")
    return "\n".join(parts)


def paste(text: str, folder: Path, **settings: str) -> str:
    """Runs a script with `bakehouse` on the path; returns what it prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder, env={**os.environ, "PATH": path, "PYTHONPATH": str(folder), **settings},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clone")


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[Home]:
    (folder / "data").mkdir()
    settings = Settings(home=folder / ".bakehouse", port=0, redis_url=None, data=folder / "data", workers=2)
    with home_running(settings) as home:
        yield home


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_in_order_and_its_recipes_train(page: str, home: Home, folder: Path) -> None:
    text = script(page)
    # A page without commands has only recipes or words.
    if text:
        paste(text, folder, BAKEHOUSE_URL=home.url)
    # Recipes may need the data that the commands of their page have made.
    with Client(home.url) as client:
        for language, text in blocks(page):
            if language == "json":
                assert client.submit(json.loads(text)).wait(timeout=60).status == "succeeded"


def test_the_commands_about_keys_work_beside_a_running_service(tmp_path: Path) -> None:
    with run_home(tmp_path / ".bakehouse", workers=0) as home:
        printed = paste(script("keys"), tmp_path, BAKEHOUSE_URL=home.url, BAKEHOUSE_HOME=str(home.folder))
        assert re.search(r"ada\s+admin\s+active", printed)
        assert re.search(r"ci\s+revoked", printed)
        key = (tmp_path / "ada.key").read_text().strip()
        with Client(home.url, api_key=key) as client:
            assert list(client.runs()) == []


def test_the_recipe_of_the_page_about_nan_fails_as_the_page_says(home: Home) -> None:
    [text] = [text for language, text in blocks("loss_is_nan") if language == "json"]
    with Client(home.url) as client:
        run = client.submit(json.loads(text)).wait(timeout=60)
    assert run.record.failure is not None
    assert (run.status, run.record.failure.code) == ("failed", "non_finite")


def test_a_full_disk_is_cleared_and_a_backup_is_restored_as_the_page_says(tmp_path: Path) -> None:
    backup, restore = [text for _, text in blocks("files") if "tar -" in text]
    [clear] = [text for _, text in blocks("files") if "du -s" in text]
    with run_home(tmp_path / ".bakehouse") as home:
        kept = home.submit({"dataset": "iris", "architecture": "linear", "epochs": 2})
        home.wait_for(kept, "succeeded")
        paste(clear, tmp_path, BAKEHOUSE_URL=home.url)
    paste(backup, tmp_path)
    with run_home(tmp_path / ".bakehouse") as home:
        lost = home.submit({"dataset": "iris", "architecture": "linear", "epochs": 2})
    paste(restore, tmp_path)
    with run_home(tmp_path / ".bakehouse") as home:
        assert home.get(f"/v1/runs/{kept}/checkpoints/best/model.safetensors").content
        listed = [run["id"] for run in home.get("/v1/runs").json()["data"]]
    assert kept in listed
    assert lost not in listed
    assert (tmp_path / "before-restore" / "artifacts").is_dir()


def test_a_worker_of_a_second_machine_trains_the_runs_of_the_first(tmp_path: Path) -> None:
    # Of the blocks for workers, the other one is for a store without a common disk.
    [text, _] = [text for _, text in blocks("several_users") if "bakehouse worker\n" in text]
    with run_home(tmp_path / "shared", workers=0) as home:
        for shown, real in {
            "redis://:PASSWORD@10.0.0.5:6379/0": home.redis_url, "/mnt/bakehouse": home.folder, "/mnt/data": tmp_path,
            "bakehouse worker": f"exec {Path(sys.executable).with_name('bakehouse')} worker",
        }.items():  # fmt: skip
            assert shown in text
            text = text.replace(shown, str(real))
        lease = {"BAKEHOUSE_LEASE_SECONDS": str(LEASE_SECONDS)}
        worker = subprocess.Popen(["bash", "-euc", text], env={**os.environ, **lease}, stderr=subprocess.DEVNULL)
        try:
            home.wait_for(home.submit({"dataset": "iris", "architecture": "linear", "epochs": 2}), "succeeded")
        finally:
            worker.terminate()
            worker.wait()


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_links_lead_to_pages_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (DOCS / target).exists(), target


def test_the_index_lists_every_page() -> None:
    listed = set(re.findall(r"\]\((\w+\.md)\)", (DOCS / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in DOCS.glob("*.md")} - {"README.md"}
