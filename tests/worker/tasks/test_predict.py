"""What is predicted for the rows of users' own files is what was measured: for every format, and for every variant."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakehouse.cli.row_files import read_rows
from bakehouse.client.prediction import plain
from bakehouse.data.catalog import Catalog
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from bakehouse.tasks.predictions import PredictionRequest
from service.split import split_as_json
from tests.plan.test_evaluation_script import SPLIT, train_here
from tests.small_trainings import Document, make_small_plan, make_training
from tests.user_files import MLP, USER_FILES, UserFile
from tests.worker.pairwise import Covering
from worker.data.dataset import load_data
from worker.tasks.predict.files import read_npz, read_picture
from worker.tasks.predict.models import TrainedModel, as_trained
from worker.tasks.predict.predict import Asked, apply, describe
from worker.tasks.predict.rows import Inputs, RowReader

Array = NDArray[Any]
MAX_ROWS = 10_000
MEASURED_ROWS = 40
PARTS = 4
"""So that processes can share the work."""


def own_rows(file: Path, plan: Plan) -> list[Any]:
    """The rows of a file as its user would send them."""
    card = plan.card
    if card.format in ("parquet", "json") and not file.name.endswith(".jsonl"):
        duckdb.execute("SET TimeZone = 'UTC'")
        read = "read_parquet" if card.format == "parquet" else "read_json_auto"
        found = duckdb.execute(f"SELECT * FROM {read}('{file}')")  # noqa: S608
        names = [column[0] for column in found.description or ()]
        return [plain_row(dict(zip(names, row, strict=True))) for row in found.fetchall()]
    columns = [column.name for column in card.columns or ()]
    rows = read_rows(file, columns, card.text).rows
    return [known_cells(row, columns) if columns else row for row in rows]


def known_cells(row: dict[str, str], columns: Sequence[str]) -> dict[str, str | None]:
    """A row as `bakehouse predict` sends it. A word that only this file has for a missing value, and that no list of
    such words has, is sent as null by its user: a text among numbers is refused else."""
    return {name: None if cell == "k.A." else cell for name, cell in row.items() if name in columns}


def plain_row(row: dict[str, Any]) -> Any:
    """The same with decimals as numbers and moments as texts, as JSON has them."""
    return plain({name: float(cell) if type(cell).__name__ == "Decimal" else cell for name, cell in row.items()})


def read_test_rows(file: Path, plan: Plan, record: Record, catalog: Catalog) -> Inputs:
    """The inputs of the test split, read from the user's file by what predicts."""
    reader = RowReader(plan)
    split = split_as_json(record, catalog).test
    match plan.card.format:
        case "pictures":
            read = [read_picture(plan, (file / path).read_bytes()) for path in split.paths or ()]
            return Inputs(np.concatenate([each.rows for each in read]))
        case "npz":
            name = "x" if plan.card.counts.test is None else plan.card.arrays.get("x_test", "x_test")
            body = io.BytesIO()
            with np.load(file) as arrays:
                np.savez(body, x=arrays[plan.card.arrays.get(name, name)])
            return Inputs(read_npz(reader, body.getvalue(), max_rows=MAX_ROWS).rows[list(split.rows)])
        case _:
            rows = own_rows(file, plan)
            chosen = [rows[row] for row in split.rows]
            # As they come through HTTP.
            return reader.read(json.loads(json.dumps({"rows": chosen})), max_rows=MAX_ROWS)


def predictions(model: TrainedModel, inputs: Inputs) -> list[dict[str, Any]]:
    head = PredictionRequest(run="run", epoch=1, sha256="", fingerprint=None, form="json", max_rows=MAX_ROWS)
    outputs = apply(model, torch.from_numpy(np.ascontiguousarray(inputs.rows)))
    found: list[dict[str, Any]] = describe(Asked(0, head, model, inputs), outputs)["predictions"]
    return found


def hits(plan: Plan, found: Sequence[dict[str, Any]], targets: Tensor) -> float:
    """The share of rows whose label is that of the data."""
    classes = plan.data.main.classes
    assert classes is not None
    labels = targets.reshape(len(targets), -1)[:, 0].tolist()
    known = [(each["label"], classes[int(label)]) for each, label in zip(found, labels, strict=True) if label >= 0]
    return float(np.mean([one == other for one, other in known]))


def assert_predicted_as_measured(kind: str, document: Document, file: Path, settings: Settings, folder: Path) -> None:
    record = train_here(document, settings, folder)
    catalog = Catalog(settings)
    plan = make_plan(record.recipe, catalog.card(record.recipe.dataset.id))
    model = as_trained(plan, (folder / "best.safetensors").read_bytes())
    inputs = read_test_rows(file, plan, record, catalog)
    packed = catalog.sized_folder(record.recipe.dataset.id, plan.picture_size, wait_seconds=60)
    test = load_data(plan, packed, torch.device("cpu")).test
    stored = test.inputs.numpy()
    # Sequences are padded to the longest of those that are sent.
    wanted = stored[:, : inputs.rows.shape[1]] if plan.data.kind == "sequence" else stored
    np.testing.assert_array_equal(inputs.rows, wanted, err_msg=kind)
    assert not any(inputs.notes), kind
    found = predictions(model, inputs)
    assert record.best is not None
    metrics = record.best.metrics
    if plan.data.main.classes is not None:
        assert hits(plan, found, test.targets) == pytest.approx(metrics["test_accuracy"]), kind
    else:
        targets = test.targets.reshape(len(test.targets), -1)[:, 0]
        known = ~targets.isnan()
        errors = (torch.tensor([each["value"] for each in found], dtype=torch.float64) - targets).abs()[known]
        assert float(errors.mean()) == pytest.approx(metrics["test_mean_absolute_error"], rel=1e-5), kind


@pytest.mark.parametrize("part", range(PARTS))
def test_rows_of_every_format_of_users_files(part: int, tmp_path: Path, subtests: pytest.Subtests) -> None:
    settings = Settings(home=tmp_path / "home", data=tmp_path / "data", device="cpu", threads=1)
    (tmp_path / "data").mkdir()
    # Files of MNIST and CIFAR have no rows that a user would send.
    kinds = [kind for kind in USER_FILES if kind not in ("idx", "cifar10", "cifar100")]
    cases: list[tuple[str, UserFile, Document]] = [
        (kind, USER_FILES[kind], USER_FILES[kind].document) for kind in kinds
    ]
    for name, (kind, dataset) in SPLIT.items():
        file = USER_FILES[kind]
        cases.append((name, file, {**MLP, "dataset": {**file.document["dataset"], **dataset}}))
    for name, file, document in cases[part::PARTS]:
        with subtests.test(name):
            path = tmp_path / "data" / file.name
            if not path.exists():
                file.write(path)
            assert_predicted_as_measured(name, document, path, settings, tmp_path / name)


def is_trainable(document: Document) -> bool:
    try:
        make_small_plan(document)
    except RecipeInvalid:
        return False
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_every_pair_of_variants_predicts_what_training_measures(part: int, subtests: pytest.Subtests) -> None:
    for document in list(Covering(is_trainable).recipes())[part::PARTS]:
        with subtests.test(recipe=document):
            training = make_training(document)
            plan = training.plan
            rows = training.data.test.inputs[:MEASURED_ROWS]
            training.model.eval()
            with torch.inference_mode():
                expected = torch.cat([training.model(batch) for batch in torch.split(rows, 128)])
            weights = {name: tensor.contiguous() for name, tensor in training.model.state_dict().items()}
            model = as_trained(plan, safetensors.torch.save(weights))
            torch.testing.assert_close(apply(model, rows), expected, rtol=1e-5, atol=1e-6, equal_nan=True)
