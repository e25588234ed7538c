"""Sequences of the rows of a long table whose columns are categories, dates, or have empty cells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from bakehouse.data.loading import load
from bakehouse.data.packed_folders import read_card
from bakehouse.data.splits import split_as_planned
from bakehouse.data.step_rows import StoredSequences
from bakehouse.plan.inputs import CYCLES
from bakehouse.plan.plan import make_plan
from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.read import read_recipe
from tests import small_trainings
from tests.ragged_sets import ROWS, pack_mixed_table
from tests.small_trainings import DEVICE, make_training, resume_to_end, run_to_end, stop_after
from worker.data.dataset import load_data
from worker.tasks.preview import draw_preview

Document = dict[str, Any]
DATASET: Document = {"id": "mixed", "target": "label", "sequence": {"id": "patient", "order": "time"}}
DOCUMENT: Document = {
    "dataset": DATASET,
    "architecture": {"type": "rnn", "cell": "gru", "hidden_size": 16},
    "norm": "batch_norm",
    "optimizer": {"type": "adam", "lr": 0.02},
    "batch_size": 16,
    "epochs": 6,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    packed = pack_mixed_table(tmp_path_factory.mktemp("encoded"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_trainings, "folder_of", lambda _: packed)
        yield packed


def expected_features(rows: NDArray[np.float64], train: NDArray[np.float64]) -> NDArray[np.float64]:
    """The features of rows of pulse, pressure, ward and seen, by scikit-learn."""
    numbers = [0, 1, 3]
    imputer = SimpleImputer().fit(train[:, numbers])
    # The scale is that of the known values.
    scaler = StandardScaler().fit(train[:, numbers])
    scaled = scaler.transform(imputer.transform(rows[:, numbers]))
    angles = [2 * np.pi * np.modf(rows[:, 3] / CYCLES[name])[0] for name in ("year", "week")]
    cycles = [np.nan_to_num(each(angle)) for angle in angles for each in (np.sin, np.cos)]
    encoder = OneHotEncoder(categories=[[0.0, 1.0, 2.0]], handle_unknown="ignore", sparse_output=False)
    classes = encoder.fit(np.zeros((1, 1))).transform(rows[:, [2]])
    return np.column_stack([scaled, *cycles, np.isnan(rows[:, [0, 1, 2, 3]]), classes])


def test_each_step_is_encoded_like_a_row_with_statistics_of_the_training_steps(folder: Path) -> None:
    plan = make_plan(read_recipe(DOCUMENT), read_card(folder))
    assert plan.input_columns == ("pulse", "pressure", "ward", "seen")
    data = load_data(plan, folder, DEVICE)
    training = make_training(DOCUMENT)
    normalize = training.model[0]
    arrays = load(folder, plan.data)
    assert isinstance(arrays.x, StoredSequences)
    split = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
    table = np.load(folder / "table.npy")[:, 2:6]
    grouping = arrays.x.grouping
    train = table[grouping.rows_of(split.train)]
    assert np.isnan(train).all(1).any()
    for part, sequences in ((data.train, split.train), (data.test, split.test)):
        features = normalize(part.inputs.to(DEVICE)).double().cpu().numpy()
        for row, sequence in enumerate(sequences):
            length = grouping.lengths[sequence]
            steps = table[grouping.rows[grouping.starts[sequence] :][:length]]
            np.testing.assert_allclose(features[row, :length], expected_features(steps, train), atol=2e-6)
            assert np.isnan(features[row, length:]).all()


def test_they_train_to_a_good_accuracy_and_to_the_same_bits_when_killed(folder: Path) -> None:
    whole = run_to_end(make_training(DOCUMENT))
    last = [event for event in whole.logged if "validation_accuracy" in event.get("metrics", {})][-1]
    assert last["metrics"]["validation_accuracy"] > 0.8
    assert resume_to_end(DOCUMENT, *stop_after(DOCUMENT, 5)) == whole


def test_the_printed_script_reads_a_padded_batch_and_the_rows_of_one_sequence_alike(folder: Path) -> None:
    training = make_training(DOCUMENT)
    code = pytorch_code(training.plan, note="")
    assert "batch x steps x 4, where steps of inf follow" in code
    scope: Document = {"WEIGHTS": {name: value.cpu() for name, value in training.model.state_dict().items()}}
    exec(code.replace('load_file("best.safetensors")', "WEIGHTS"), scope)  # noqa: S102 - running it is what is tested
    x = training.data.test.inputs.cpu()
    rows = [
        {"pulse": "", "pressure": "5.1", "ward": "south", "seen": "2024-02-03"},
        dict.fromkeys(["pulse", "pressure", "ward", "seen"], ""),
    ]
    encoded = torch.tensor([[scope["encode_row"](row, scope["INPUTS"]) for row in rows]], dtype=torch.float64)
    assert encoded[0, 0].tolist()[1:3] == [5.1, 2]
    assert encoded[0, 1].isnan().all()
    with torch.inference_mode():
        assert scope["model"](encoded).isfinite().all()
        whole = scope["model"](x)
        for row, expected in zip(x, whole, strict=True):
            torch.testing.assert_close(scope["model"](row[~row[:, 0].isinf()][None])[0], expected)
        torch.testing.assert_close(training.model.cpu().eval()(x), whole)


@pytest.mark.parametrize("normalization", ["whiten", "min_max"])
def test_other_normalizations_and_the_preview_know_the_padding(folder: Path, normalization: str) -> None:
    document = {**DOCUMENT, "dataset": {**DATASET, "normalization": normalization}}
    plan = make_plan(read_recipe(document), read_card(folder))
    data = load_data(plan, folder, DEVICE)
    assert bool(data.shift.isfinite().all() & data.scale.isfinite().all())
    assert b"lines" in draw_preview(plan, data, {})


def test_sequences_are_split_by_the_time_of_their_last_step(folder: Path) -> None:
    document = {**DOCUMENT, "dataset": {**DATASET, "split": {"type": "time", "column": "time"}}}
    plan = make_plan(read_recipe(document), read_card(folder))
    arrays = load(folder, plan.data)
    split = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
    parts = [split.train, split.validation, split.test]
    assert tuple(map(len, parts)) == plan.sizes
    assert sorted(np.concatenate(parts)) == list(range(ROWS))
    assert isinstance(arrays.x, StoredSequences)
    lasts = [arrays.x.grouping.lengths[part] - 1 for part in parts]
    assert lasts[0].max() <= lasts[1].min()
    assert lasts[1].max() <= lasts[2].min()
