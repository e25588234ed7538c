"""The names that people give to arrays."""

import pytest

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.array_names import find_arrays


@pytest.mark.parametrize(
    "names",
    [
        ["x", "y"],
        ["X", "Y"],
        ["data", "target", "target_names", "feature_names"],
        ["images", "labels"],
        ["inputs", "targets"],
        ["features", "label"],
        ["arr_0", "arr_1"],
        ["X_train", "y_train"],
        ["trainX", "trainY"],
        ["train_images", "train_labels"],
        ["training_data", "training_labels"],
        ["x", "y", "data"],
    ],
)
def test_inputs_and_targets_have_many_names(names: list[str]) -> None:
    found = find_arrays(names)
    assert (found["x"], found["y"]) == (names[0], names[1])


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("x_val", "x_validation"),
        ("x_valid", "x_validation"),
        ("X_dev", "x_validation"),
        ("y_val", "y_validation"),
        ("val_labels", "y_validation"),
        ("test_images", "x_test"),
        ("xtest", "x_test"),
        ("labels_Test", "y_test"),
        ("y_speed", "y_speed"),
        ("y_speed_val", "y_speed_validation"),
        ("y_speed_train", "y_speed"),
        ("y_test_b", "y_test_b"),
        ("kind", "kind"),
    ],
)
def test_splits_are_named_before_or_after(name: str, meaning: str) -> None:
    assert find_arrays([name]) == {meaning: name}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["images", "features", "y"], "features and images could both be x: call one of them x"),
        (["x", "y", "x_val", "x_dev"], "x_dev and x_val could both be x_validation"),
        (
            ["arr_0", "arr_1", "arr_2"],
            "its arrays have only numbers; save them with names: inputs are read from x, data",
        ),
    ],
)
def test_names_that_leave_a_choice_are_refused(names: list[str], problem: str) -> None:
    with pytest.raises(UnusableSource, match=problem):
        find_arrays(names)
