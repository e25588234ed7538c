"""What a new user does with a trained run: download the weights, see the rows, and compute the test metrics again."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.main import app
from bakehouse.client import Client
from bakehouse.evaluation_files import NothingToEvaluate, own_name, refuse_several_files, where_data_are
from bakehouse.plan.card import SplitCounts
from tests.fake_worker import FakeWorker
from tests.plan.cards import table_card
from tests.running_home import run_home
from tests.running_service import RunningService
from tests.user_files import USER_FILES
from worker.evaluation.standalone.reading import unpack


def bakehouse(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def command_in(text: str, start: str) -> list[str]:
    """The arguments of the command that a comment of a script shows."""
    [line] = [line for line in text.splitlines() if line.startswith(f"#   {start}")]
    return shlex.split(line.removeprefix("# ").partition(">")[0])[1:]


def assert_better_than_the_commonest_class(url: str, run_id: str) -> None:
    """Of the test rows; the rows without a target are in no split."""
    with Client(url) as client:
        run = client.run(run_id)
        card = client.dataset("passengers").card
    assert card is not None
    assert run.record.best is not None
    [column] = [column for column in card.columns or () if column.name == "survived"]
    assert column.missing == 6
    counts = column.class_counts or ()
    accuracy = run.record.best.metrics["test_accuracy"] or 0.0
    assert accuracy > max(counts) / sum(counts) + 0.1
    assert {"empty_cells_filled", "unlabelled_rows_left_out"} <= {advice.code for advice in run.record.advice}


def test_the_commands_lead_from_the_run_to_the_same_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_file = USER_FILES["csv with columns of all kinds"]
    data = tmp_path / "data" / user_file.name
    data.parent.mkdir()
    user_file.write(data)
    monkeypatch.chdir(tmp_path)
    with run_home(tmp_path / "home", data=data.parent, workers=1) as home:
        monkeypatch.setenv("BAKEHOUSE_URL", home.url)
        (tmp_path / "recipe.json").write_text(json.dumps({**user_file.document, "epochs": 30}))
        assert bakehouse("run", "recipe.json").exit_code == 0
        run_id = json.loads(bakehouse("ls", "--json").stdout)["data"][0]["id"]
        plain = bakehouse("code", run_id).stdout
        assert "    'sex': Boolean('female', 'male')," in plain
        assert "CLASSES = ('no', 'yes')" in plain
        assert bakehouse(*command_in(plain, "bakehouse best")).exit_code == 0
        text = bakehouse(*command_in(plain, "bakehouse code")).stdout
        (tmp_path / "evaluate.py").write_text(text)
        shown = bakehouse("split", run_id)
        assert shown.exit_code == 0
        assert "passengers.csv" in shown.stdout
        assert bakehouse("split", run_id, "-o", "split.npz").stdout == "split.npz\n"
        assert bakehouse("split", run_id, "-o", "split.json").exit_code == 0
        rows = json.loads((tmp_path / "split.json").read_text())["test"]["rows"]
        assert np.load(tmp_path / "split.npz")["test"].tolist() == rows
        assert json.loads(bakehouse("split", run_id, "--json").stdout)["test"]["rows"] == rows
        assert_better_than_the_commonest_class(home.url, run_id)
        data.write_text(
            data.read_text(encoding="utf-8") + "301,yes,first,Ann,female,30,1,port 00,1900-01-01\n", encoding="utf-8"
        )
        # The service looks for changes of files at once, and packs the changed file first.
        refused = bakehouse("split", run_id)
        assert (refused.exit_code, "has changed since" in refused.stderr) == (1, True)
        user_file.write(data)
        pictures = write_script_for_an_upload(tmp_path)
    assert_identical(tmp_path, "evaluate.py", str(data))
    assert pictures == "pets"
    assert_identical(tmp_path, "evaluate_pets.py", pictures)


def write_script_for_an_upload(folder: Path) -> str:
    """Uploads a folder of pictures and learns it, in the current folder; returns the path that the script's comment
    gives."""
    user_file = USER_FILES["pictures"]
    user_file.write(folder / "pets")
    assert bakehouse("data", "add", "pets").exit_code == 0
    (folder / "pets.json").write_text(json.dumps(user_file.document))
    assert bakehouse("run", "pets.json").exit_code == 0
    run_id = json.loads(bakehouse("ls", "--json").stdout)["data"][0]["id"]
    assert bakehouse("best", run_id, "-o", "pets.safetensors").exit_code == 0
    text = bakehouse("code", run_id, "--evaluate", "--file", "pets.safetensors").stdout
    assert "Give it the path of your folder pets, or your archive pets.tar." in text
    (folder / "evaluate_pets.py").write_text(text)
    return command_in(text, "python evaluate.py")[1]


def assert_identical(folder: Path, script: str, data: str) -> None:
    result = subprocess.run([sys.executable, script, data], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "test_accuracy" in result.stdout
    assert result.stdout.count(": identical\n") == 2


@pytest.mark.parametrize(
    ("origin", "name", "wanted"),
    [
        ("file houses.csv", "houses.csv", "your file houses.csv."),
        ("upload of My houses.csv.gz", "My houses.csv.gz", "your file My houses.csv.gz."),
        ("upload of a.csv, fetched from https://b/a.csv (sha256 0)", "a.csv", "your file a.csv."),
        ("upload of pets.zip", "pets.zip", "your archive pets.zip."),
        ("upload of pets.tar", "pets", "your folder pets, or your archive pets.tar."),
        ("upload of pets", "pets", "your archive pets."),
    ],
)
def test_the_script_asks_for_the_users_own_file(origin: str, name: str, wanted: str) -> None:
    card = table_card().model_copy(update={"origin": origin, "format": "csv"})
    assert (own_name(card), where_data_are(card)) == (name, f"Give it the path of {wanted}")


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_the_script_unpacks_an_archive_as_the_service_does(ending: str, tmp_path: Path) -> None:
    inner = tmp_path / "pack" / "__MACOSX", tmp_path / "pack" / "pets" / "cats"
    for folder in inner:
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"1")
    (tmp_path / "pack" / "pets" / "dogs").mkdir()
    kind = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}[ending]
    archive = Path(shutil.make_archive(str(tmp_path / "pets"), kind, tmp_path / "pack"))
    for path in (archive, tmp_path / "pack"):
        found = unpack(path)
        assert (found.name, (found / "cats" / "1.png").read_bytes()) == ("pets", b"1")
    table = tmp_path / "a.csv"
    table.write_text("a,b\n1,2\n")
    assert unpack(table) == table


def test_there_is_no_evaluation_before_the_test_split_is_measured(
    service: RunningService, client: Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    run = client.submit({"dataset": "iris", "architecture": "linear"})
    waiting = bakehouse("code", run.id, "--evaluate")
    assert waiting.exit_code == 2
    assert "queued" in waiting.stderr
    worker.train(run.id)
    without = bakehouse("code", run.id, "--evaluate")
    assert without.exit_code == 2
    assert "succeeded without" in without.stderr


def test_a_file_for_rows_has_a_known_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = bakehouse("split", "run_222222222222", "-o", "rows.txt")
    assert refused.exit_code == 2
    assert ".json or .npz" in refused.stderr


def test_no_script_is_printed_for_arrow_files_and_for_a_table_of_each_split() -> None:
    card = table_card()
    refuse_several_files(card, [("test/cat/1.png", "cat")])
    for arrow, pictures in (
        (card.model_copy(update={"format": "arrow"}), []),
        (card, [("test/data-00000-of-00001.arrow/image/5", "cat")]),
    ):
        with pytest.raises(NothingToEvaluate, match="Parquet"):
            refuse_several_files(arrow, pictures)
    with_splits = card.model_copy(update={"format": "csv", "counts": SplitCounts(train=20, test=9)})
    with pytest.raises(NothingToEvaluate, match="tables of its own"):
        refuse_several_files(with_splits, [])
