"""Uploads by the Python client and by `bakehouse data`, to a real service with a process that inspects them."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bakehouse.cli.main import app
from bakehouse.client import AsyncClient, Client, Conflict, DatasetRefused, FileChanged, NotFound
from bakehouse.client.upload import open_source
from tests.processes import wait_until
from tests.running_inspector import running_inspector
from tests.running_service import RunningService, start_service

TABLE = "area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))


@pytest.fixture(scope="module", autouse=True)
def inspector(started_service: RunningService) -> Iterator[None]:
    """One process for all tests."""
    with running_inspector(started_service):
        yield


@pytest.fixture(autouse=True)
def address(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command finds the test's service, whose store is empty."""
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    yield
    shutil.rmtree(service.home / "store", ignore_errors=True)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "Houses 2.csv"
    path.write_text(TABLE)
    return path


def bakehouse(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["data", *arguments], input=stdin)


def test_a_file_is_uploaded_inspected_and_trained_on(client: Client, table: Path) -> None:
    dataset = client.upload(table)
    assert (dataset.name, dataset.version, dataset.status) == ("houses_2", 1, "ready")
    assert dataset.card is not None
    run = client.submit({"dataset": {"id": dataset.id, "target": "price"}, "architecture": "linear"})
    with pytest.raises(Conflict, match=run.id):
        client.delete_dataset("houses_2")
    run.cancel()
    assert client.delete_dataset("houses_2").version == 1
    with pytest.raises(NotFound):
        client.dataset("houses_2")


def test_an_event_loop_uploads_too(service: RunningService, table: Path) -> None:
    async def upload() -> str | None:
        async with AsyncClient(service.url) as client:
            dataset = await client.upload(table, name="homes")
            return dataset.card.id if dataset.card else None

    assert asyncio.run(upload()) == "homes@1"


def test_a_folder_of_pictures_is_uploaded_as_an_archive(client: Client, tmp_path: Path) -> None:
    for kind, level in (("cat", 20), ("dog", 200)):
        (tmp_path / "pets" / kind).mkdir(parents=True)
        for number in range(8):
            Image.new("L", (8, 8), level + number).save(tmp_path / "pets" / kind / f"{number}.png")
    (tmp_path / "pets" / ".hidden").write_text("not data")
    with open_source(tmp_path / "pets") as first, open_source(tmp_path / "pets") as second:
        assert first.path.read_bytes() == second.path.read_bytes()
    dataset = client.upload(tmp_path / "pets")
    assert dataset.card is not None
    assert (dataset.name, dataset.card.classes, dataset.card.counts.train) == ("pets", ("cat", "dog"), 16)
    run = client.submit({"dataset": "pets", "architecture": "cnn"})
    assert run.split().test.paths is not None


def test_a_folder_with_a_link_is_refused_by_the_name_of_the_link(client: Client, tmp_path: Path) -> None:
    (tmp_path / "pets" / "cats").mkdir(parents=True)
    Image.new("L", (8, 8)).save(tmp_path / "pets" / "cats" / "1.png")
    (tmp_path / "pets" / "dogs").symlink_to(tmp_path / "pets" / "cats")
    with pytest.raises(
        DatasetRefused, match="dogs is a symbolic link, and none are followed: put a copy of its target"
    ):
        client.upload(tmp_path / "pets")


def test_a_file_that_cannot_be_used_is_refused_with_the_place(client: Client, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"not an archive")
    with pytest.raises(DatasetRefused, match="bad@1 cannot be used") as refused:
        client.upload(tmp_path / "bad.zip")
    assert refused.value.dataset.place is not None
    assert refused.value.dataset.place.file == "bad.zip"


def test_a_file_that_changes_meanwhile_is_not_uploaded(table: Path) -> None:
    with open_source(table) as source:
        table.write_text(TABLE + "1,2\n")
        with pytest.raises(FileChanged):
            source.sha256(0, 10)


def test_an_interrupted_upload_resumes(redis_url: str, tmp_path: Path) -> None:
    """With parts of 1 KiB; the first command is killed after some of them."""
    home = tmp_path / "home"
    home.mkdir()
    service = start_service(redis_url, home, BAKEHOUSE_UPLOAD_PART_BYTES="1024")
    path = tmp_path / "large.csv"
    path.write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(50_000)))
    command = [
        sys.executable,
        "-c",
        "from bakehouse.cli.entry import main; main()",
        "data",
        "add",
        str(path),
        "--detach",
    ]
    environment = {**os.environ, "BAKEHOUSE_URL": service.url}
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    parts = home / "store" / "uploads"
    with Client(service.url) as client:
        wait_until(lambda: len(list(parts.rglob("*-*"))) > 5)
        first.kill()
        first.wait()
        [draft] = [each for each in client.datasets() if each.version]
        held = {file.name: file.stat().st_ino for file in parts.rglob("*-*") if not file.name.startswith(".")}
        assert subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 0
        [complete] = [each for each in client.datasets() if each.version]
    assert (complete.id, complete.status) == (draft.id, "inspecting")
    # The parts that had arrived were not sent again.
    now = {file.name: file.stat().st_ino for file in parts.rglob("*-*")}
    assert held.items() <= now.items()
    service.end()


def test_data_add_prints_the_card_and_a_recipe_that_trains(client: Client, table: Path) -> None:
    added = bakehouse("add", str(table), "--name", "houses")
    assert added.exit_code == 0, added.output
    assert added.stdout.startswith("houses@1 (data_")
    assert "price  number  0.5 to 117.5" in added.stdout
    recipe = json.loads(added.stderr.partition("echo '")[2].partition("'")[0])
    assert recipe["dataset"] == {"id": "houses@1", "target": "price"}
    assert client.validate(recipe)["recipe"]["dataset"]["id"] == "houses@1"
    assert "houses@1\tready" in bakehouse("ls").stdout
    assert bakehouse("show", "houses").stdout == added.stdout
    removed = bakehouse("rm", "houses")
    assert (removed.exit_code, removed.stdout.startswith("deleted houses@1, ")) == (0, True)


def test_data_add_reads_standard_input(table: Path) -> None:
    added = bakehouse("add", "-", "--name", "piped", "--json", "--fields", "name,status", stdin=TABLE)
    assert json.loads(added.stdout) == {"name": "piped", "status": "ready"}
    assert bakehouse("add", "-", stdin=TABLE).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "missing.csv"], 1, "missing.csv"),
        (["add", "https://example.org/a.csv"], 2, "BAKEHOUSE_DATASET_HOSTS"),
        (["add", "bad.csv"], 1, "bad@1 cannot be used"),
        (["add", "bad.csv", "--name", "digits"], 2, "built-in"),
        (["show", "missing"], 2, "bakehouse data ls"),
        (["rm", "missing"], 2, "bakehouse data ls"),
        (["rm", "digits"], 1, "was not uploaded"),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text("a,b\n1,2\n")
    result = bakehouse(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_without_a_service_data_add_says_how_to_start_one(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", "http://127.0.0.1:1")
    assert bakehouse("add", str(table)).exit_code == 3
