"""Splits on the device, and the statistics that are fitted on the training rows."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from bakehouse.data.child_process import PACKAGE_ROOT
from bakehouse.data.errors import DatasetChanged
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.loading import load
from bakehouse.data.packing import pack
from bakehouse.data.splits import split_as_planned
from bakehouse.recipe.problems import RecipeInvalid
from tests.packed_arrays import load_arrays
from tests.small_trainings import DIABETES, DIGITS_CNN, IRIS, load_small_data, make_small_plan, make_training
from worker.data.dataset import (
    CHUNK_ROWS,
    Data,
    Floats,
    fit_unit,
    load_data,
    mean_power,
    normalization,
    reduced_axes,
    refuse_negative,
)
from worker.objective.targets import class_weights
from worker.training.curriculum import Pacing


def loaded(document: dict[str, Any], normalization: str) -> Data:
    dataset = {"id": make_small_plan(document).recipe.dataset.id, "normalization": normalization}
    return load_small_data(make_small_plan({**document, "dataset": dataset}))


def normalized(data: Data) -> Floats:
    """The training rows as the first layer sees them."""
    return ((data.train.inputs.float() - data.shift) * data.scale).double().numpy()


@pytest.mark.parametrize("document", [IRIS, DIABETES])
def test_standardised_columns_have_mean_0_and_biased_variance_1(document: dict[str, Any]) -> None:
    x = normalized(loaded(document, "standardize"))
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose((x**2).mean(0), 1, rtol=1e-5)


def test_each_fold_learns_from_its_own_training_rows() -> None:
    fitted = []
    for fold in range(3):
        dataset = {"id": "breast_cancer", "folds": 3, "fold": fold}
        plan = make_small_plan({**IRIS, "dataset": dataset, "objective": {"class_weights": "balanced"}})
        arrays = load_arrays(BUILTIN / "breast_cancer")
        rows = split_as_planned(plan.recipe.dataset, plan.card, plan.data, load(BUILTIN / "breast_cancer", plan.data))
        data = load_small_data(plan)
        scaler = StandardScaler().fit(arrays.x[rows.train].astype(np.float64))
        np.testing.assert_allclose(data.shift, scaler.mean_, rtol=1e-6)
        np.testing.assert_allclose(data.scale, 1 / scaler.scale_, rtol=1e-6)
        labels = arrays.y[rows.train]
        weights = class_weights(plan, data.train.targets)
        assert weights is not None
        np.testing.assert_allclose(weights, compute_class_weight("balanced", classes=np.arange(2), y=labels), rtol=1e-6)
        np.testing.assert_array_equal(data.validation.targets, arrays.y[rows.validation])
        drawn = make_small_plan({**IRIS, "dataset": {**dataset, "bootstrap": True}})
        known = {row.tobytes() for row in data.train.inputs.numpy()}
        assert {row.tobytes() for row in load_small_data(drawn).train.inputs.numpy()} < known
        fitted.append(data.shift.tolist())
    assert len(set(map(tuple, fitted))) == 3


def test_standardised_images_have_one_mean_and_variance_a_channel() -> None:
    data = loaded(DIGITS_CNN, "standardize")
    x = normalized(data)
    assert data.shift.shape == data.scale.shape == (1, 1, 1)
    assert abs(x.mean()) < 1e-5
    assert (x**2).mean() == pytest.approx(1, rel=1e-5)


def test_standardised_sequences_have_one_mean_and_variance_for_each_number_of_a_step() -> None:
    data = loaded({"dataset": "digits_sequence", "architecture": "rnn"}, "standardize")
    x, varies = normalized(data), data.scale[0].numpy() > 0
    assert data.shift.shape == data.scale.shape == (1, 8)
    assert varies.sum() >= 7
    np.testing.assert_allclose(x.mean((0, 1)), 0, atol=1e-5)
    np.testing.assert_allclose((x**2).mean((0, 1)), varies, rtol=1e-5)


@pytest.mark.parametrize("kind", ["min_max", "none"])
def test_sequences_are_scaled_or_left(kind: str) -> None:
    data = loaded({"dataset": "digits_sequence", "architecture": "rnn"}, kind)
    x, raw = normalized(data), data.train.inputs.double().numpy()
    assert x.max() == pytest.approx(1 if kind == "min_max" else 16)
    assert kind == "min_max" or np.array_equal(x, raw)


@pytest.mark.parametrize("document", [IRIS, DIABETES, DIGITS_CNN])
def test_min_max_fits_the_training_rows_alone(document: dict[str, Any]) -> None:
    data = loaded(document, "min_max")
    x = normalized(data)
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    np.testing.assert_allclose(x.min(axes), 0, atol=1e-6)
    np.testing.assert_allclose(x.max(axes), 1, rtol=1e-5)
    for split in (data.validation, data.test):
        rest = (split.inputs.float() - data.shift) * data.scale
        assert x.ndim == 4 or bool((rest < 0).any() or (rest > 1).any())


@pytest.mark.parametrize("document", [IRIS, DIGITS_CNN])
def test_none_changes_nothing(document: dict[str, Any]) -> None:
    data = loaded(document, "none")
    assert np.array_equal(normalized(data), data.train.inputs.double().numpy())


@pytest.mark.parametrize("kind", ["standardize", "min_max"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7, 1e-30, 255.0])
def test_a_constant_column_becomes_0(kind: str, constant: float) -> None:
    plan = make_small_plan({**IRIS, "dataset": {"id": "iris", "normalization": kind}})
    inputs = np.full((100, 4), constant, np.float32)
    inputs[:, 1:] = np.random.default_rng(0).normal(size=(100, 3))
    shift, scale = normalization(plan, inputs)
    found = (torch.from_numpy(inputs) - torch.from_numpy(shift).float()) * torch.from_numpy(scale).float()
    assert torch.equal(found[:, 0], torch.zeros(100))
    assert bool((found[:, 1:].abs().amax(0) > 0.5).all())


@pytest.mark.parametrize("constant", [0.1, -3e7, 1.0])
def test_a_column_of_nothing_but_rounding_is_not_blown_up(constant: float) -> None:
    inputs = np.full((100, 4), constant, np.float32)
    inputs[::2] = np.nextafter(inputs[::2], np.float32(np.inf))
    _, scale = normalization(make_small_plan(IRIS), inputs)
    assert not scale.any()


@given(st.integers(1, 30_000), st.integers(0, 2**32 - 1))
def test_moments_are_the_same_chunk_by_chunk(rows: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(3, 2, size=(rows, 2)).astype(np.float32)
    mean = mean_power(x, power=1)
    np.testing.assert_allclose(mean, x.mean(0, dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(mean_power(x, power=2, about=mean), x.astype(np.float64).var(0), rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize(
    "shape", [(9000, 40), (300, 3, 32, 32), (40, 3, 96, 96), (300, 1, 28, 28), (500, 60, 7), (9, 1)]
)
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_sums_in_small_blocks_have_the_bits_of_sums_in_one(
    shape: tuple[int, ...], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(100, 20, size=shape).astype(dtype)
    axes = reduced_axes(x)
    about = x.mean(axes, dtype=np.float64, keepdims=True)[0]
    monkeypatch.setattr("worker.data.dataset.BLOCK_NUMBERS", 10_000)
    blocks = (x[start : start + CHUNK_ROWS].astype(np.float64) for start in range(0, len(x), CHUNK_ROWS))
    whole = sum(((block - about) ** 2).sum(axis=axes, keepdims=True)[0] for block in blocks)
    np.testing.assert_array_equal(mean_power(x, power=2, about=about), whole / (x.size / about.size))


def test_data_that_is_replaced_while_it_is_loaded_has_changed(tmp_path: Path) -> None:
    plan = make_small_plan(IRIS)
    shutil.copytree(BUILTIN / "iris", tmp_path / "iris")
    (tmp_path / "iris" / "x.npy").unlink()
    with pytest.raises(DatasetChanged, match="iris has changed"):
        load_data(plan, tmp_path / "iris", torch.device("cpu"))


MEASURE = """
import sys
from pathlib import Path
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.read import read_recipe
from worker.data.dataset import load_data
from worker.device import keep_buffers
from worker.host.prefork import warm_up
from worker.training.training import Training
import torch

def resident(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

warm_up()
keep_buffers()
# The number resets the largest resident memory.
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS:")
recipe = {"dataset": "mine", "architecture": {"type": "mlp", "hidden": [8]}, "batch_size": 16, "epochs": 1}
folder = Path(sys.argv[1])
device = torch.device("cpu")
plan = make_plan(read_recipe(recipe), read_card(folder))
data = load_data(plan, folder, device)
steps = Training(plan, data, device).run()
for _ in range(40):
    next(steps)
# The pages of the mapped file count too, although the system can drop them.
print((resident("VmHWM:") - before) / (folder / "x.npy").stat().st_size)
"""


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_a_process_holds_its_data_once(tmp_path: Path, dtype: str) -> None:
    """In a new process, because the largest memory of this one says nothing about it."""
    # 96 MiB, beside which blocks of rows and a small model count little.
    x = np.random.default_rng(0).integers(0, 256, (96 * 2**20 // np.dtype(dtype).itemsize // 3072, 3, 32, 32), np.uint8)
    np.savez(tmp_path / "mine.npz", x=x.astype(dtype), y=np.arange(len(x)) % 2)
    pack("mine", tmp_path / "mine.npz", tmp_path / "packed")
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "packed")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE_ROOT)
    assert 0.5 < float(done.stdout) < 1.5


def test_targets_are_standardised_on_the_training_rows_for_regression_only() -> None:
    data = load_small_data(make_small_plan(DIABETES))
    targets = data.train.targets.double().numpy()
    assert (data.units[0].mean, data.units[0].std) == pytest.approx((targets.mean(), targets.std()))
    standardized = data.standardized(data.train.targets)
    assert float(standardized.mean()) == pytest.approx(0, abs=1e-5)
    classes = load_small_data(make_small_plan(IRIS))
    assert (classes.units[0].mean, classes.units[0].std) == (0.0, 1.0)
    assert classes.standardized(classes.train.targets) is classes.train.targets


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8])
def test_constant_targets_are_divided_by_1(constant: float) -> None:
    assert fit_unit(np.full(77, constant, np.float32)).std == 1.0


@pytest.mark.parametrize("document", [IRIS, DIABETES, DIGITS_CNN])
def test_the_splits_have_the_planned_sizes_and_share_no_row(document: dict[str, Any]) -> None:
    plan = make_small_plan(document)
    data = load_small_data(plan)
    splits = (data.train, data.validation, data.test)
    assert tuple(len(split.inputs) for split in splits) == tuple(plan.sizes)
    assert [len(split.inputs) for split in splits] == [len(split.targets) for split in splits]
    stored = np.load(BUILTIN / plan.recipe.dataset.id / "x.npy")
    together = np.concatenate([split.inputs.numpy() for split in splits])
    assert sorted(map(bytes, together)) == sorted(map(bytes, stored))


def test_only_squared_error_standardises_targets() -> None:
    data = load_small_data(make_small_plan({**DIABETES, "objective": "poisson"}))
    assert (data.units[0].mean, data.units[0].std) == (0.0, 1.0)
    assert torch.equal(data.standardized(data.train.targets), data.train.targets)


def test_counts_below_0_are_refused_where_the_card_does_not_tell_them() -> None:
    plan = make_small_plan({**DIABETES, "objective": "poisson"})
    arrays = load_arrays(BUILTIN / "diabetes", loss="squared_error")
    refuse_negative(plan, [arrays.y, None])
    with pytest.raises(RecipeInvalid, match="the smallest target of diabetes is -346"):
        refuse_negative(plan, [arrays.y, -arrays.y])


@pytest.mark.parametrize("kind", ["standardize", "min_max"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -3e7, 1.7e12])
def test_a_constant_column_of_64_bits_becomes_0_and_a_narrow_one_does_not(kind: str, constant: float) -> None:
    plan = make_small_plan({**IRIS, "dataset": {"id": "iris", "normalization": kind}})
    inputs = np.full((20_000, 2), constant)
    inputs[:, 1] = 1.7e12 + np.random.default_rng(0).integers(0, 60_000, 20_000)
    shift, scale = normalization(plan, inputs)
    assert scale[0] == 0
    found = (inputs[:, 1] - shift[1]) * scale[1]
    assert found.std() == pytest.approx(1 if kind == "standardize" else 12**-0.5, rel=0.01)


def test_a_column_of_shares_that_add_up_to_1_is_constant() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(50), size=500)
    total = np.cumsum(shares, axis=1)[:, -1:]
    assert total.std() > 0
    assert not normalization(make_small_plan(IRIS), np.repeat(total, 4, axis=1))[1].any()


DRAWN: dict[str, Any] = {**IRIS, "dataset": {"id": "digits", "bootstrap": True}}
NOT_DRAWN: dict[str, Any] = {**IRIS, "dataset": "digits"}


def test_a_bootstrap_draws_n_of_n_training_rows_with_their_targets_and_leaves_the_rest() -> None:
    whole, data = load_small_data(make_small_plan(NOT_DRAWN)), load_small_data(make_small_plan(DRAWN))
    rows = {
        (x.numpy().tobytes(), int(y)): index
        for index, (x, y) in enumerate(zip(whole.train.inputs, whole.train.targets, strict=True))
    }
    drawn = [rows[x.numpy().tobytes(), int(y)] for x, y in zip(data.train.inputs, data.train.targets, strict=True)]
    assert len(drawn) == len(whole.train.inputs) == make_small_plan(DRAWN).sizes.train
    times = np.bincount(drawn, minlength=len(rows))
    # Of n rows, (1 - 1/n)^n are never drawn; a count is binomial of n and 1/n.
    assert (times == 0).mean() == pytest.approx(np.exp(-1), abs=0.05)
    assert times.var() == pytest.approx(1, abs=0.15)
    for name in ("validation", "test"):
        before, after = getattr(whole, name), getattr(data, name)
        assert torch.equal(before.inputs, after.inputs)
        assert torch.equal(before.targets, after.targets)


def test_a_bootstrap_is_the_seeds_alone_and_statistics_are_those_of_its_rows() -> None:
    first, again = load_small_data(make_small_plan(DRAWN)), load_small_data(make_small_plan({**DRAWN, "batch_size": 7}))
    other = load_small_data(make_small_plan({**DRAWN, "seed": 1}))
    assert torch.equal(first.train.inputs, again.train.inputs)
    assert not torch.equal(first.train.targets, other.train.targets)
    mean = first.train.inputs.double().numpy().mean((0, 2, 3))
    assert first.shift.flatten().numpy() == pytest.approx(mean)
    assert not torch.equal(first.shift, load_small_data(make_small_plan(NOT_DRAWN)).shift)
    numbers = load_small_data(make_small_plan({**DIABETES, "dataset": {"id": "diabetes", "bootstrap": True}}))
    targets = numbers.train.targets.double().numpy()
    assert (numbers.units[0].mean, numbers.units[0].std) == pytest.approx((targets.mean(), targets.std()))


def test_curriculum_and_population_statistics_are_of_the_drawn_rows() -> None:
    document = {
        **DIGITS_CNN,
        "dataset": {"id": "digits", "bootstrap": True},
        "curriculum": "curriculum",
        "evaluation": {"statistics": "population"},
        "epochs": 1,
    }
    training = make_training(document)
    list(training.run())
    data, curriculum = training.data, training.curriculum
    assert isinstance(curriculum, Pacing)
    x = data.train.inputs.double().flatten(1).numpy() / data.train.inputs.double().numpy().std()
    y = data.train.targets.numpy()
    means = np.stack([x[y == group].mean(0) for group in range(10)])
    difficulty = np.linalg.norm(x - means[y], axis=1)
    ranking = curriculum.ranking.numpy()
    assert sorted(ranking) == list(range(len(x)))
    assert (np.diff(difficulty[ranking[y[ranking] == 3]]) > -1e-4).all()
    norm = training.weights()  # of the last step; the best weights hold the population's
    assert training.best_weights is not None
    convolution = torch.nn.functional.conv2d(
        training.model[0](data.train.inputs), norm["stage1.conv1.conv.weight"], padding=1
    )
    wanted = convolution.double().mean((0, 2, 3)).float()
    torch.testing.assert_close(training.best_weights["stage1.conv1.norm.running_mean"], wanted, rtol=1e-4, atol=1e-5)
