"""Ragged sequences from the file to the last metric."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bakehouse.cli.data_commands import describe_card, example_recipe
from bakehouse.data.packed_folders import read_card
from bakehouse.data.step_rows import pad_steps
from bakehouse.plan.card import Lengths
from bakehouse.plan.plan import make_plan
from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.tasks.samples import SamplesRequest
from service.split import find_rows
from tests import small_trainings
from tests.ragged_sets import LONGEST, ROWS, draw_sequences, pack_lines, pack_long_table
from tests.small_trainings import DEVICE, make_training, resume_to_end, run_to_end, stop_after
from worker.data.dataset import load_data
from worker.tasks.preview import draw_preview
from worker.tasks.samples import read_samples

Document = dict[str, Any]
RNN: Document = {
    "architecture": {"type": "rnn", "cell": "gru", "hidden_size": 16, "num_layers": 2},
    "norm": "batch_norm",
    "dropout": 0.1,
    "augmentation": [{"type": "input_noise", "std": 0.1}],
    "optimizer": {"type": "adam", "lr": 0.02},
    "batch_size": 16,
    "epochs": 6,
}
LINES: Document = {**RNN, "dataset": "lines"}
VISITS: Document = {
    **RNN,
    "dataset": {"id": "visits", "target": "label", "sequence": {"id": "patient", "order": "time"}},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The packed folders of the two sets, among which small trainings find theirs."""
    folder = tmp_path_factory.mktemp("ragged")
    found = {"lines": pack_lines(folder), "visits": pack_long_table(folder)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_trainings, "folder_of", found.__getitem__)
        yield found


def test_the_card_has_the_lengths(folders: dict[str, Path]) -> None:
    card = read_card(folders["lines"])
    assert (card.kind, card.shape, card.counts.train) == ("sequence", (LONGEST, 2), ROWS)
    assert card.lengths == Lengths(minimum=1, median=5, maximum=LONGEST)
    assert card.channels is not None
    x = np.load(folders["lines"] / "x.npy")
    for index, channel in enumerate(card.channels):
        found = [channel.minimum, channel.maximum, channel.mean]
        expected = [each(x[..., index]) for each in (np.nanmin, np.nanmax, np.nanmean)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (card.minimum, card.maximum) == (np.nanmin(x), np.nanmax(x))
    assert "  ragged: 1 to 9 steps, half of the sequences at most 5" in list(describe_card(card))
    recipe = example_recipe(card)
    assert recipe is not None
    assert recipe["architecture"] == "rnn"


def test_samples_end_with_their_last_step(folders: dict[str, Path]) -> None:
    card = read_card(folders["lines"])
    request = SamplesRequest(dataset="lines", fingerprint=card.fingerprint, split="train", limit=5, seed=0)
    found = read_samples(folders["lines"], card, request)
    drawn = [draw_sequences()[row] for row in found.rows]
    assert found.labels == tuple(label for _, label in drawn)
    assert found.values is not None
    for values, (steps, _) in zip(found.values, drawn, strict=True):
        np.testing.assert_allclose(np.array(values, np.float64), steps, rtol=1e-6)


def test_a_preview_draws_ragged_sequences(folders: dict[str, Path]) -> None:
    plan = make_plan(read_recipe(VISITS), read_card(folders["visits"]))
    assert b"lines" in draw_preview(plan, load_data(plan, folders["visits"], DEVICE), {})


def test_json_lines_and_a_long_table_train_to_the_same_bits(folders: dict[str, Path]) -> None:
    lines, visits = (run_to_end(make_training(document)) for document in (LINES, VISITS))
    assert lines.best_weights == visits.best_weights
    last = [event for event in lines.logged if "validation_accuracy" in event.get("metrics", {})][-1]
    assert last["metrics"]["validation_accuracy"] > 0.85


def test_inputs_are_scaled_by_the_real_steps_of_the_training_split(folders: dict[str, Path]) -> None:
    for normalization in ("standardize", "min_max", "whiten"):
        plan = make_plan(
            read_recipe({**LINES, "dataset": {"id": "lines", "normalization": normalization}}),
            read_card(folders["lines"]),
        )
        data = load_data(plan, folders["lines"], DEVICE)
        x = data.train.inputs.double().cpu().numpy()
        steps = x[~np.isnan(x[..., 0])]
        assert 0 < len(steps) < x.shape[0] * x.shape[1]
        scaled = (steps - data.shift.cpu().numpy()) * data.scale.cpu().numpy()
        if normalization == "min_max":
            np.testing.assert_allclose([scaled.min(0), scaled.max(0)], [[0, 0], [1, 1]], atol=1e-6)
            continue
        np.testing.assert_allclose([scaled.mean(0), scaled.var(0)], [[0, 0], [1, 1]], atol=1e-5)
        if data.matrix is not None:
            np.testing.assert_allclose(np.cov((scaled @ data.matrix.cpu().numpy()).T, bias=True), np.eye(2), atol=1e-3)


def test_killed_in_the_middle_it_ends_with_the_same_bits(folders: dict[str, Path]) -> None:
    document = {**VISITS, "epochs": 2, "evaluation": {"statistics": "population"}}
    assert resume_to_end(document, *stop_after(document, 5)) == run_to_end(make_training(document))


def test_the_printed_script_reads_a_padded_batch_and_one_sequence_alike(folders: dict[str, Path]) -> None:
    training = make_training(VISITS)
    code = pytorch_code(training.plan, note="")
    assert "batch x steps x 2, where steps of nan follow" in code
    assert "[[encode_row(row, INPUTS) for row in rows]]" in code
    scope: Document = {"WEIGHTS": {name: value.cpu() for name, value in training.model.state_dict().items()}}
    exec(code.replace('load_file("best.safetensors")', "WEIGHTS"), scope)  # noqa: S102 - running it is what is tested
    x = training.data.test.inputs.cpu()
    with torch.inference_mode():
        whole = scope["model"](x)
        for row, expected in zip(x, whole, strict=True):
            torch.testing.assert_close(scope["model"](row[~row[:, 0].isnan()][None])[0], expected)
        torch.testing.assert_close(training.model.cpu().eval()(x), whole)


def test_a_split_has_whole_sequences_and_lists_their_rows(folders: dict[str, Path]) -> None:
    card = read_card(folders["visits"])
    rows = find_rows(folders["visits"], card, read_recipe(VISITS))
    assert sorted(np.concatenate(list(rows.values()))) == list(range(card.counts.train))
    patients = np.load(folders["visits"] / "table.npy")[:, 0]
    parts = [set(patients[each]) for each in rows.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == ROWS
    assert all((np.diff(each) > 0).all() for each in rows.values())


def test_a_second_label_or_place_in_a_sequence_is_refused_with_its_rows(tmp_path: Path) -> None:
    cases: tuple[tuple[Document, str], ...] = (
        ({"last_label": "other"}, r"rows .* of one sequence and differ in label"),
        ({"last_time": 1}, r"rows .* of one sequence and have the same place in it"),
    )
    for index, (change, message) in enumerate(cases):
        folder = tmp_path / str(index)
        folder.mkdir()
        packed = pack_long_table(folder, **change)
        plan = make_plan(read_recipe(VISITS), read_card(packed))
        with pytest.raises(RecipeInvalid, match=message):
            load_data(plan, packed, DEVICE)


def test_steps_are_padded_to_the_longest() -> None:
    padded = pad_steps(np.arange(6.0).reshape(3, 2), np.array([1, 2]), 3)
    np.testing.assert_array_equal(padded, [[[0, 1], [np.nan] * 2, [np.nan] * 2], [[2, 3], [4, 5], [np.nan] * 2]])
