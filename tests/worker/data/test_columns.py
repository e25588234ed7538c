"""Columns of tables become features that scikit-learn computes alike, fitted on the training split alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from bakehouse.data.loading import load
from bakehouse.data.packed_folders import read_card
from bakehouse.data.splits import PlannedRows, split_as_planned
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests import mixed_table
from tests.small_trainings import Document
from worker.data.dataset import Data, load_data
from worker.model.initialize import build_for, normalization_layer

Floats = NDArray[np.float64]
CPU = torch.device("cpu")
NUMBERS, FLAGS = ["age", "dogs", "night", "left"], ["age", "night", "fare", "left"]
PERIODS = (365.2425 * 86_400, 7 * 86_400, 86_400)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_table.write(tmp_path_factory.mktemp("mixed"))


def plan_of(folder: Path, **dataset: Any) -> Plan:
    document: Document = {"id": mixed_table.NAME, "target": "late", **dataset}
    return make_plan(read_recipe({"dataset": document, "architecture": "mlp"}), read_card(folder))


def rows_of(plan: Plan, folder: Path) -> PlannedRows:
    return split_as_planned(plan.recipe.dataset, plan.card, plan.data, load(folder, plan.data))


def encoded(plan: Plan, folder: Path) -> tuple[Floats, Data]:
    """The features of the test split."""
    data = load_data(plan, folder, CPU)
    features = normalization_layer(plan, data, {})(data.test.inputs)
    assert features.dtype == torch.float32
    return features.double().numpy(), data


def expected(plan: Plan, folder: Path, scaler: Any, strategy: str = "mean") -> Floats:
    """The same by scikit-learn, from the packed table."""
    table, rows = np.load(folder / "table.npy"), rows_of(plan, folder)
    assert rows.test is not None
    train, test = table[rows.train], table[rows.test]
    numbers = [0, 1, 2, 5]
    imputer = SimpleImputer(strategy=strategy).fit(train[:, numbers])
    # The scale is that of the known values, not of the filled ones.
    scaled = scaler.fit(train[:, numbers]).transform(imputer.transform(test[:, numbers]))
    angles = 2 * np.pi * test[:, 5:6] / np.array(PERIODS)
    cycles = np.nan_to_num(np.stack([np.sin(angles), np.cos(angles)], 2).reshape(len(test), -1))
    flags = np.isnan(test[:, [0, 2, 3, 5]]) if plan.recipe.dataset.columns.missing == "mean_and_flag" else test[:, :0]
    blocks = [one_hot(train[:, place], test[:, place], count) for place, count in ((3, 3), (4, 40))]
    return np.concatenate([scaled, cycles, flags, *blocks], 1)


def one_hot(train: Floats, test: Floats, classes: int) -> Floats:
    """Columns for all classes, of which those that the training split lacks are zeros."""
    seen = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train[~np.isnan(train), None])
    block = np.zeros((len(test), classes))
    block[:, seen.categories_[0].astype(int)] = seen.transform(np.nan_to_num(test, nan=-1.0)[:, None])
    return block


@pytest.mark.parametrize(
    ("normalization", "scaler"),
    [
        ("standardize", StandardScaler()),
        ("min_max", MinMaxScaler()),
        ("none", StandardScaler(with_mean=False, with_std=False)),
    ],
)
def test_the_features_are_those_of_scikit_learn(folder: Path, normalization: str, scaler: Any) -> None:
    plan = plan_of(folder, normalization=normalization)
    found, _ = encoded(plan, folder)
    np.testing.assert_allclose(found, expected(plan, folder, scaler), rtol=2e-6, atol=2e-6)


def test_whitening_mixes_the_numbers_alone_and_is_fitted_on_the_training_split(folder: Path) -> None:
    plan, plain = (plan_of(folder, normalization=each) for each in ("whiten", "standardize"))
    found, data = encoded(plan, folder)
    standardized, _ = encoded(plain, folder)
    train = normalization_layer(plain, data, {})(data.train.inputs).double().numpy()[:, : len(NUMBERS)]
    values, vectors = np.linalg.eigh(np.cov(train.T, bias=True))
    whitening = (vectors / np.sqrt(values + 1e-5)) @ vectors.T
    np.testing.assert_allclose(found[:, : len(NUMBERS)], standardized[:, : len(NUMBERS)] @ whitening, atol=2e-5)
    np.testing.assert_array_equal(found[:, len(NUMBERS) :], standardized[:, len(NUMBERS) :])
    white = normalization_layer(plan, data, {})(data.train.inputs).double().numpy()[:, : len(NUMBERS)]
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(len(NUMBERS)), atol=1e-3)


@pytest.mark.parametrize("missing", ["mean", "median"])
def test_gaps_are_filled_without_a_flag(folder: Path, missing: str) -> None:
    plan = plan_of(folder, columns={"missing": missing})
    found, _ = encoded(plan, folder)
    np.testing.assert_allclose(found, expected(plan, folder, StandardScaler(), missing), rtol=2e-6, atol=2e-6)


def test_some_city_is_missing_in_the_training_split_and_becomes_zeros(folder: Path) -> None:
    plan = plan_of(folder)
    found, data = encoded(plan, folder)
    assert plan.data.encoding is not None
    first, count = plan.data.encoding.blocks[1]
    unseen = np.flatnonzero(data.scale[first : first + count].numpy() == 0)
    codes = data.test.inputs[:, 4].numpy()
    assert np.isin(codes, unseen).any()
    np.testing.assert_array_equal(found[np.isin(codes, unseen), first : first + count], 0)


def test_the_features_have_names_in_the_order_of_the_layer(folder: Path) -> None:
    encoding = plan_of(folder).data.encoding
    assert encoding is not None
    assert encoding.features[: len(NUMBERS)] == tuple(NUMBERS)
    assert encoding.features[4:7] == ("left, sine of the year", "left, cosine of the year", "left, sine of the week")
    assert encoding.features[10:14] == tuple(f"{name} is empty" for name in FLAGS)
    assert encoding.features[14:18] == ("fare = first", "fare = second", "fare = third", "city = city 00")
    assert len(encoding.features) == encoding.width == 57


def test_whole_numbers_are_a_category_on_request(folder: Path) -> None:
    plan = plan_of(folder, columns={"include": ["dogs"], "kinds": {"dogs": "category"}})
    found, _ = encoded(plan, folder)
    rows = rows_of(plan, folder)
    np.testing.assert_array_equal(found.argmax(1), np.load(folder / "table.npy")[rows.test, 1])


def statistics(folder: Path, document: Document) -> Iterator[tuple[str, bytes]]:
    """What a model's first layer holds before it is trained."""
    plan = plan_of(folder, **document)
    layer = build_for(plan, load_data(plan, folder, CPU))[0]
    yield from ((name, tensor.numpy().tobytes()) for name, tensor in layer.state_dict().items())


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    normalization=st.sampled_from(["standardize", "min_max", "none", "whiten"]),
    missing=st.sampled_from(["mean_and_flag", "mean", "median"]),
    split_seed=st.integers(0, 5),
    folds=st.sampled_from([{}, {"folds": 2, "fold": 1}, {"folds": 5, "fold": 0}]),
)
def test_other_rows_than_those_of_training_change_nothing_that_is_fitted(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    normalization: str,
    missing: str,
    split_seed: int,
    folds: Document,
) -> None:
    document: Document = {"normalization": normalization, "columns": {"missing": missing}, "split_seed": split_seed}
    document |= folds
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    plan = plan_of(mixed_table.write(first), **document)
    table, rows = mixed_table.values(), rows_of(plan, first)
    others = np.setdiff1d(np.arange(len(table)), rows.train)
    rng = np.random.default_rng(seed)
    # The target stays, because it decides the split; a shuffle of each other column keeps its card.
    for column in range(table.shape[1] - 1):
        table[others, column] = rng.permutation(table[others, column])
    mixed_table.write(second, table)
    assert dict(statistics(first, document)) == dict(statistics(second, document))


def test_a_column_that_is_empty_in_the_training_split_becomes_zero(tmp_path: Path) -> None:
    table, plan = mixed_table.values(), plan_of(mixed_table.write(tmp_path))
    table[rows_of(plan, tmp_path).train, 0] = np.nan
    found, _ = encoded(plan_of(mixed_table.write(tmp_path, table)), tmp_path)
    np.testing.assert_array_equal(found[:, 0], 0)


def test_gaps_are_refused_on_request(folder: Path) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        plan_of(folder, columns={"missing": "refuse"})
    [problem] = caught.value.problems
    assert problem.pointer == "/dataset/columns/missing"
    assert "age in " in problem.message
    plan_of(folder, columns={"missing": "refuse", "include": ["dogs", "city"]})


@pytest.mark.parametrize(
    "split",
    ["random", {"type": "time", "column": "dogs"}, *({"type": "group", "column": each} for each in ("city", "left"))],
)
@pytest.mark.parametrize("target", ["fare", "age"])
def test_rows_without_a_label_are_in_no_split(folder: Path, target: str, split: object) -> None:
    plan = plan_of(folder, target=target, split=split)
    rows = rows_of(plan, folder)
    labels = np.load(folder / "table.npy")[:, [column.name for column in plan.card.columns or ()].index(target)]
    taken = [rows.train, rows.validation, rows.test]
    assert tuple(map(len, taken)) == plan.sizes
    np.testing.assert_array_equal(np.sort(np.concatenate(taken)), np.flatnonzero(~np.isnan(labels)))
    assert plan.data.unlabelled == np.isnan(labels).sum() > 0


def test_groups_that_were_not_counted_where_a_target_is_known_are_refused(folder: Path) -> None:
    message = r"fare is empty in \d+ of 120 rows, and the groups of age were not counted without them: leave these rows"
    with pytest.raises(RecipeInvalid, match=message):
        plan_of(folder, target="fare", split={"type": "group", "column": "age"})
