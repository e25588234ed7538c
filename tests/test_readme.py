"""Every code block of the README works as the README says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakehouse.cli.home.home import Home, home_running
from bakehouse.client import Client
from bakehouse.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


[CURL] = [text for text in blocks("sh") if "run.json" in text]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), port=0, redis_url=None, data=None, workers=2)
    with home_running(settings) as home:
        yield home


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with its virtual environment, as the reader has it."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "bakehouse").symlink_to(Path(sys.executable).with_name("bakehouse"))
    return folder


def execute(program: list[str], text: str, home: Home, folder: Path) -> str:
    """Runs a block as it would be pasted, with the address of the test's service."""
    port = home.url.rpartition(":")[2]
    finished = subprocess.run(
        [*program, text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
        cwd=folder,
        env={**os.environ, "BAKEHOUSE_URL": home.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.mark.parametrize("command", [text for text in blocks("sh") if text.startswith("make ")])
def test_the_two_make_targets_exist(command: str) -> None:
    target = command.split()[1]
    assert subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False).returncode == 0


def in_shell(text: str, home: Home, folder: Path) -> None:
    execute(["bash", "-euo", "pipefail", "-c"], text, home, folder)


@pytest.mark.parametrize("text", [text for text in blocks("sh") if not text.startswith("make ") and text != CURL])
def test_shell_blocks_run(text: str, home: Home, folder: Path) -> None:
    in_shell(text, home, folder)


def test_curl_downloads_the_best_checkpoint(home: Home, folder: Path) -> None:
    in_shell(CURL, home, folder)
    run_id = json.loads((folder / "run.json").read_text())["id"]
    with Client(home.url) as client:
        best = client.run(run_id).wait().best_checkpoint()
    assert (folder / "model.safetensors").stat().st_size == best.bytes


@pytest.mark.parametrize("text", blocks("python"))
def test_python_blocks_run(text: str, home: Home, folder: Path) -> None:
    printed = execute([sys.executable, "-c"], text, home, folder)
    assert printed.splitlines()[0].startswith("1 ")
    assert (folder / "best.safetensors").exists()


def test_the_annotated_recipe_trains(home: Home) -> None:
    [text] = blocks("jsonc")
    recipe = json.loads(re.sub(r" +//.*", "", text))
    with Client(home.url) as client:
        assert client.submit(recipe).wait(timeout=60).status == "succeeded"


@pytest.mark.parametrize("text", [*blocks("python"), CURL])
def test_examples_are_short(text: str) -> None:
    assert len(text.splitlines()) <= 10


def test_the_table_of_a_trick_is_that_of_the_cookbook() -> None:
    page = (ROOT / "cookbook" / "small_network" / "README.md").read_text(encoding="utf-8")
    shown = README.partition("## What a trick bought")[2].partition("\n## ")[0]
    head, *rows = rows_of(shown)
    titles, *measured = rows_of(page)[: len(rows) + 1]
    assert rows == [[row[titles.index(title)] for title in head] for row in measured]
    assert len(rows) == 4


def rows_of(text: str) -> list[list[str]]:
    """The rows of all tables in a text, the headings too."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [line.strip("| ").split(" | ") for line in lines]


def test_the_readme_is_short_and_its_links_work() -> None:
    assert len(README.splitlines()) < 200
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
