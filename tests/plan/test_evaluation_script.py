"""The script that computes the test metrics again: from the user's file, in a process of its own, without Bakehouse."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bakehouse.data.catalog import Catalog
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.plan.evaluation_script import Evaluation, evaluation_code
from bakehouse.plan.plan import make_plan
from bakehouse.prepare import Limits, prepare
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.local_runs import RECORD
from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from service.split import split_as_json
from tests.plan.cards import planned
from tests.user_files import CNN, MLP, USER_FILES, Document
from worker.train import train

BUILT_IN: dict[str, Document] = {
    "digits and their parity": {**CNN, "dataset": "digits", "objective": {"tasks": ["parity"]}},
    "diabetes": {**MLP, "dataset": "diabetes"},
    "poisson": {**MLP, "dataset": "diabetes", "objective": "poisson"},
    "two classes": {**MLP, "dataset": "breast_cancer", "objective": "binary_cross_entropy"},
    "sequences": {**MLP, "dataset": "digits_sequence", "architecture": {"type": "rnn", "hidden_size": 4}},
    "whitened": {
        **CNN,
        "dataset": {"id": "digits", "normalization": "whiten"},
        "dropout": 0.2,
        "evaluation": {"statistics": "population", "monte_carlo_samples": 2},
    },
    "another split": {**MLP, "dataset": {"id": "iris", "split_seed": 3, "bootstrap": True, "folds": 4, "fold": 3}},
}
SPLIT: dict[str, tuple[str, Document]] = {
    "groups, of which some rows have no target, with whitened columns": (
        "csv with columns of all kinds", {"split": {"type": "group", "column": "harbour"}, "normalization": "whiten"},
    ),
    "by time": ("csv with numbers", {"split": {"type": "time", "column": "start"}}),
    "other kinds": ("csv of another country", {"columns": {"exclude": ["Tag"], "kinds": {"Preis": "identifier"}}}),
    "two classes of numbers": (
        "csv with tasks", {"target": "tree", "columns": {"kinds": {"grade": "boolean"}, "missing": "median"}},
    ),
}  # fmt: skip
"""Other recipes for users' files."""
PROGRAM = """
import os, runpy, sys
for folder in sys.argv[1:]:
    sys.argv = ["evaluate.py"]
    os.chdir(folder)
    try:
        runpy.run_path("evaluate.py")
    except SystemExit as end:
        print("END", end.code)
sys.exit("bakehouse" in sys.modules or "worker" in sys.modules)
"""
PACKAGES = {"torch", "numpy", "PIL", "safetensors", "duckdb"}


def train_here(document: Document, settings: Settings, folder: Path) -> Record:
    """Trains a recipe in this process; its best weights are then in the folder."""
    prepared = prepare(document, Catalog(settings), Limits(parameters=10**6), wait_seconds=60)
    folder.mkdir()
    assert train(prepared, folder, settings) == 0
    return Record.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))


def write_script(record: Record, settings: Settings, folder: Path, data: Path) -> str:
    """Writes the script for a run's data beside its weights; returns the text."""
    catalog = Catalog(settings)
    plan = make_plan(record.recipe, catalog.card(record.recipe.dataset.id))
    split = split_as_json(record, catalog)
    assert record.best is not None
    metrics = record.best.metrics.items()
    recorded = {name: value for name, value in metrics if name.startswith("test_") and value is not None}
    pictures = list(zip(split.test.paths or (), split.test.labels or (), strict=True))
    evaluation = Evaluation(
        file=str(data), rows=split.test.rows, pictures=pictures, row_number=split.row_number, recorded=recorded,
        threads=1,
    )  # fmt: skip
    text = evaluation_code(plan, "best.safetensors", evaluation, note="a\nnote")
    (folder / "evaluate.py").write_text(text, encoding="utf-8")
    return text


def imported(text: str) -> set[str]:
    """The packages that a script imports, without the standard library."""
    nodes = list(ast.walk(ast.parse(text)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names


def run_scripts(*folders: Path) -> "subprocess.CompletedProcess[str]":
    """Runs the scripts in a new process, one after the other, because each process imports torch."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def train_and_write(document: Document, settings: Settings, folder: Path, data: Path) -> Record:
    record = train_here(document, settings, folder)
    assert imported(write_script(record, settings, folder, data)) <= PACKAGES
    return record


def assert_reproduced(records: dict[Path, Record]) -> None:
    result = run_scripts(*records)
    assert result.returncode == 0, result.stderr
    outputs = result.stdout.split("END 0\n")
    for (folder, record), output in zip(records.items(), outputs, strict=False):
        found = dict(re.findall(r"^(\w+): (\S+), recorded .*: identical$", output, re.MULTILINE))
        assert record.best is not None
        tested = {name: value for name, value in record.best.metrics.items() if name.startswith("test_")}
        over_masks = [name for name in tested if name.startswith("test_monte_carlo")]
        found |= {name: str(tested[name]) for name in over_masks}
        assert {name: float(value) for name, value in found.items()} == tested, (folder.name, output)
        said = f"recorded too, but not computed here: {', '.join(over_masks)}\n"
        assert ("not computed" in output, said in output) == (bool(over_masks), bool(over_masks))
    assert outputs[len(records) :] == [""]


def test_every_format_of_users_files_gives_the_recorded_metrics_to_the_bit(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data=tmp_path / "data", device="cpu", threads=1)
    (tmp_path / "data").mkdir()
    records: dict[Path, Record] = {}
    for kind, user_file in USER_FILES.items():
        data = tmp_path / "data" / user_file.name
        user_file.write(data)
        records[tmp_path / kind] = train_and_write(user_file.document, settings, tmp_path / kind, data)
    for name, (kind, dataset) in SPLIT.items():
        user_file = USER_FILES[kind]
        document = {**MLP, "dataset": {**user_file.document["dataset"], **dataset}}
        records[tmp_path / name] = train_and_write(
            document, settings, tmp_path / name, tmp_path / "data" / user_file.name
        )
    assert_reproduced(records)


def test_built_in_sets_give_the_recorded_metrics_to_the_bit(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", device="cpu", threads=1)
    records: dict[Path, Record] = {}
    for kind, document in BUILT_IN.items():
        data = BUILTIN / read_recipe(document).dataset.id
        records[tmp_path / kind] = train_and_write(document, settings, tmp_path / kind, data)
    assert_reproduced(records)


def test_other_data_are_noticed(tmp_path: Path) -> None:
    user_file = USER_FILES["csv with text classes"]
    data = tmp_path / "data" / user_file.name
    data.parent.mkdir()
    user_file.write(data)
    settings = Settings(home=tmp_path / "home", data=data.parent, device="cpu", threads=1)
    record = train_and_write(user_file.document, settings, tmp_path / "run", data)
    header, *lines = data.read_text(encoding="utf-8").splitlines()
    others = {"other": lines[::-1], "fewer": lines[:-3]}
    for name, changed in others.items():
        (tmp_path / name).mkdir()
        shutil.copy(tmp_path / "run" / "best.safetensors", tmp_path / name)
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *changed]), encoding="utf-8")
        write_script(record, settings, tmp_path / name, tmp_path / f"{name}.csv")
    # A script that ends with a message prints it instead of a number.
    other, code, fewer = run_scripts(*(tmp_path / name for name in others)).stdout.split("END ")
    assert "DIFFERENT" in other
    assert code == "1\n"
    assert "fewer.csv has 117 rows, but the run was trained on a file with 120" in fewer


def test_many_rows_are_read_from_a_file() -> None:
    plan = planned({})
    evaluation = Evaluation(file="rows.csv", rows="split.npz", row_number="", recorded={"test_loss": 1.0}, threads=1)
    assert 'TEST_ROWS = np.load("split.npz")["test"]' in evaluation_code(plan, "best", evaluation, note="")
