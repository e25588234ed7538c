"""From files to the arrays that a worker trains on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

from bakehouse.data.loading import StoredInputs, labelled_rows, load
from bakehouse.data.packed_folders import read_card
from bakehouse.data.packing import pack
from bakehouse.data.splits import split_as_planned
from bakehouse.plan.plan import make_plan
from bakehouse.plan.splits import training_counts
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.packed_arrays import load_arrays
from tests.user_files import USER_FILES


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A packed table of twelve rows."""
    rows = "".join(f"{i % 3 * 10},{i / 4},{'ba'[i % 2]}\n" for i in range(12))
    (tmp_path / "doses.csv").write_text("age,dose,kind\n" + rows)
    pack("doses", tmp_path / "doses.csv", tmp_path / "packed")
    return tmp_path / "packed"


def test_a_text_column_as_target(table: Path) -> None:
    arrays = load_arrays(table, target="kind")
    assert (arrays.x.dtype.name, arrays.x.shape, arrays.x_test is None) == ("float32", (12, 2), True)
    assert arrays.x[1].tolist() == [10, 0.25]
    assert (arrays.y.dtype.name, arrays.y.tolist()) == ("int64", [1, 0] * 6)


def test_columns_of_numbers_as_targets(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("age,dose\n" + "".join(f"{i % 3 * 10},{i / 4}\n" for i in range(12)))
    pack("n", tmp_path / "n.csv", tmp_path / "packed")
    assert load_arrays(tmp_path / "packed", target="age").y.tolist() == [0, 1, 2] * 4
    assert load_arrays(tmp_path / "packed", target="age", loss="squared_error").y.tolist() == [0, 10, 20] * 4
    dose = load_arrays(tmp_path / "packed", target="dose")
    assert (dose.y.dtype.name, dose.y[3], dose.x.shape) == ("float32", 0.75, (12, 1))


def test_a_column_of_text_is_an_input(table: Path) -> None:
    assert load_arrays(table, target="dose").x[:, 1].tolist() == [1, 0] * 6


def test_own_splits_come_with_the_arrays(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 4)), np.linspace(0, 1, 12)
    np.savez(tmp_path / "a.npz", x=x, y=y, x_validation=x[:2], y_validation=y[:2])
    card = pack("a", tmp_path / "a.npz", tmp_path / "packed")
    arrays = load_arrays(tmp_path / "packed")
    np.testing.assert_array_equal(arrays.x, x.astype(np.float32))
    assert card.counts.validation == 2
    assert (card.task, card.classes, card.origin) == ("regression", None, "file a.npz")
    assert arrays.y_validation is not None
    np.testing.assert_array_equal(arrays.y_validation, y[:2].astype(np.float32))


def test_pictures_are_packed_too(tmp_path: Path, save_picture: Callable[..., None]) -> None:
    for i in range(12):
        save_picture(tmp_path / "pets" / ("dog" if i % 2 else "cat") / f"{i}.png", i)
    card = pack("pets", tmp_path / "pets", tmp_path / "packed")
    assert (card.kind, card.shape, card.dtype, card.maximum) == ("image", (1, 4, 6), "uint8", 11)
    assert (card.classes, card.class_counts, card.origin) == (("cat", "dog"), (6, 6), "folder pets")
    assert load_arrays(tmp_path / "packed").x.dtype == np.uint8
    assert read_card(tmp_path / "packed") == card


@pytest.mark.parametrize("columns", [(0, 1, 2, 3, 4), (1, 2, 4), (4, 2, 3, 0), (3,)])
def test_the_columns_of_a_table_are_taken_in_their_order(columns: tuple[int, ...]) -> None:
    table = np.random.default_rng(0).normal(size=(30, 5))
    rows = np.array([7, 0, 29, 7])
    taken = StoredInputs(table, np.dtype(np.float32), columns).take(rows)
    np.testing.assert_array_equal(taken, table[rows][:, columns].astype(np.float32))
    assert taken.flags.c_contiguous


def test_the_fingerprint_is_of_arrays_and_classes_alone(tmp_path: Path) -> None:
    x, y = np.arange(48.0).reshape(12, 4), np.arange(12) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "b.npz", x=x.astype(np.float32), y=y.astype(bool).astype(np.int8))
    np.savez(tmp_path / "c.npz", x=x, y=y + 1)
    a, b, c = (pack(name, tmp_path / f"{name}.npz", tmp_path / name).fingerprint for name in "abc")
    assert a == b != c


def test_further_targets_are_columns_after_the_main_one_and_are_no_inputs(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 3 * 10 if i % 4 else ''},{'' if i == 5 else 'ba'[i % 2]},{i / 4}\n" for i in range(16))
    (tmp_path / "n.csv").write_text("size,age,kind,dose\n" + rows)
    pack("n", tmp_path / "n.csv", tmp_path / "packed")
    arrays = load_arrays(tmp_path / "packed", target="kind", tasks=["dose", "age"])
    assert arrays.x.tolist() == [[i] for i in range(16)]
    kind = [np.nan if i == 5 else 1 - i % 2 for i in range(16)]
    age = [i % 3 if i % 4 else np.nan for i in range(16)]
    np.testing.assert_array_equal(arrays.y, np.array([kind, [i / 4 for i in range(16)], age], np.float32).T)
    tasks = [{"target": "age", "loss": "squared_error"}, "kind"]
    numbers = load_arrays(tmp_path / "packed", target="dose", tasks=tasks)
    np.testing.assert_array_equal(numbers.y[:, 1], [i % 3 * 10 if i % 4 else np.nan for i in range(16)])


def test_further_targets_of_own_splits(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(18, 4)), np.arange(18) % 3
    b = np.where(y == 2, -1, 1 - y)
    np.savez(
        tmp_path / "a.npz", x=x, y=y, x_test=x[:3], y_test=y[:3], y_b=b, y_b_test=b[:3], y_a=x[:, 0], y_a_test=y[:3] / 2
    )
    card = pack("a", tmp_path / "a.npz", tmp_path / "packed")
    assert [(target.name, target.classes, target.missing) for target in card.targets] == [
        ("a", None, 0),
        ("b", ("0", "1"), 6),
    ]
    arrays = load_arrays(tmp_path / "packed", tasks=["b", "a"])
    assert arrays.y_test is not None
    np.testing.assert_array_equal(arrays.y_test, [[0, 1, 0], [1, 0, 0.5], [2, np.nan, 1]])
    np.testing.assert_array_equal(arrays.y, np.stack([y, np.where(b < 0, np.nan, b), x[:, 0]], 1).astype(np.float32))
    assert load_arrays(tmp_path / "packed").y.ndim == 1


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """A packed table of visits: 1 to 12 of each patient, on days in a mixed order."""
    patients = [patient for patient in range(12) for _ in range(patient + 1)]
    rows = "".join(f"{patient},{i * 37 % 78},{i % 5},{i % 2}\n" for i, patient in enumerate(patients))
    (tmp_path / "visits.csv").write_text("patient,day,dose,ill\n" + rows)
    pack("visits", tmp_path / "visits.csv", tmp_path / "packed")
    return tmp_path / "packed"


@pytest.mark.parametrize("rule", ["random", {"type": "group", "column": "patient"}, {"type": "time", "column": "day"}])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_plan_knows_the_sizes_of_each_split(visits: Path, rule: object, seed: int) -> None:
    dataset = {"id": "visits", "target": "ill", "split": rule, "split_seed": seed}
    plan = make_plan(read_recipe({"dataset": dataset, "architecture": "mlp", "batch_size": 8}), read_card(visits))
    arrays = load(visits, plan.data)
    rows = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
    assert plan.sizes == (len(rows.train), len(rows.validation), len(rows.test))
    match rule:
        case {"column": "patient"}:
            patients = arrays.column("patient")
            assert not set(patients[rows.train]) & set(patients[rows.validation])
            assert not set(patients[[*rows.train, *rows.validation]]) & set(patients[rows.test])
            assert [each.name for each in plan.data.inputs] == ["day", "dose"]
        case {"column": "day"}:
            days = arrays.column("day")
            assert days[rows.train].max() < days[rows.validation].min()
            assert days[rows.validation].max() < days[rows.test].min()
        case _:
            assert rule == "random"


@pytest.mark.parametrize("rule", ["random", {"type": "group", "column": "patient"}, {"type": "time", "column": "day"}])
def test_the_plan_knows_the_sizes_of_each_fold(visits: Path, rule: object) -> None:
    validated: list[int] = []
    for fold in range(4):
        dataset = {"id": "visits", "target": "ill", "split": rule, "folds": 4, "fold": fold}
        plan = make_plan(read_recipe({"dataset": dataset, "architecture": "mlp", "batch_size": 8}), read_card(visits))
        arrays = load(visits, plan.data)
        rows = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
        assert rows.validation is not None
        assert rows.test is not None
        assert plan.sizes == (len(rows.train), len(rows.validation), len(rows.test))
        validated += rows.validation.tolist()
        if rule == "random":
            counted = training_counts(plan.recipe.dataset, plan.card, plan.data)
            assert counted == np.bincount(arrays.y[rows.train]).tolist()
        elif "day" in str(rule):
            order = np.setdiff1d(np.argsort(arrays.column("day")), rows.test, assume_unique=True)
            train, validation = list(TimeSeriesSplit(4).split(order))[fold]
            assert set(order[train]) == set(rows.train)
            assert set(order[validation]) == set(rows.validation)
    # The first 14 of the rows in time that are not tested never validate.
    assert len(set(validated)) == len(validated) == 78 - plan.sizes.test - (14 if "day" in str(rule) else 0)


FORMS = [
    "csv with tasks", "csv with columns of all kinds", "npz of images", "npz of rows", "pictures",
    "long table of ragged sequences",
]  # fmt: skip


@pytest.mark.parametrize("kind", FORMS)
def test_data_of_every_form_have_folds(tmp_path: Path, kind: str) -> None:
    file = USER_FILES[kind]
    file.write(tmp_path / file.name)
    card = pack(file.document["dataset"]["id"], tmp_path / file.name, tmp_path / "packed")
    validated: list[int] = []
    for fold in range(3):
        document = {**file.document, "dataset": {**file.document["dataset"], "folds": 3, "fold": fold}}
        plan = make_plan(read_recipe(document), card)
        arrays = load(tmp_path / "packed", plan.data)
        rows = split_as_planned(plan.recipe.dataset, plan.card, plan.data, arrays)
        assert plan.sizes[:2] == (len(rows.train), len(rows.validation))
        assert not set(rows.train) & set(rows.validation)
        validated += rows.validation.tolist()
    tested = rows.test.tolist() if arrays.y_test is None else []
    assert sorted([*validated, *tested]) == labelled_rows(arrays.y).tolist()


@pytest.mark.parametrize(
    ("rule", "pointer", "message"),
    [
        ({"type": "group", "column": "patent"}, "/dataset/split/column", "there is no column patent"),
        ({"type": "group", "column": "ill"}, "/dataset/split/column", "ill has 2 groups in 78 rows: at least 3"),
        ({"type": "time", "column": "days"}, "/dataset/split/column", "there is no column days"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(visits: Path, rule: object, pointer: str, message: str) -> None:
    recipe = read_recipe({"dataset": {"id": "visits", "target": "ill", "split": rule}, "architecture": "mlp"})
    with pytest.raises(RecipeInvalid) as refused:
        make_plan(recipe, read_card(visits))
    [problem] = refused.value.problems
    assert (problem.pointer, problem.message[: len(message)]) == (pointer, message)


def test_a_data_set_without_columns_is_split_at_random_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(40, 4)), y=np.arange(40) % 2)
    card = pack("a", tmp_path / "a.npz", tmp_path / "packed")
    dataset = {"id": "a", "split": {"type": "group", "column": "patient"}}
    with pytest.raises(RecipeInvalid, match="has no columns, so its rows cannot be split by group"):
        make_plan(read_recipe({"dataset": dataset, "architecture": "mlp"}), card)
