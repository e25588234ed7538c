"""Findings about the numbers of rows of classes."""

from pathlib import Path

import numpy as np

from bakehouse.recipe.read import read_recipe
from tests.data.profile.packed import codes, noise, pack_csv, pack_npz, the


def test_a_class_that_most_rows_have_is_found_with_its_share(tmp_path: Path) -> None:
    finding = the(pack_csv(tmp_path, a=noise(200), label=["no"] * 180 + ["yes"] * 20), "class_imbalance")
    assert (finding.severity, finding.where) == ("warning", "/columns/1")
    assert "180 (90 %) are of the class 'no' and 20 (10 %) of 'yes'" in finding.message
    recipe = read_recipe({"dataset": {"id": "set", "target": "label"}, "architecture": "mlp"}).canonical()
    [step] = finding.patch
    assert recipe["objective"]["class_weights"] == "none"
    recipe["objective"]["class_weights"] = step.value
    assert (step.path, read_recipe(recipe).objective.class_weights) == ("/objective/class_weights", "balanced")


def test_a_class_ten_times_as_common_as_another_is_found(tmp_path: Path) -> None:
    y = np.repeat(["a", "b", "c"], [100, 100, 10])
    assert "class_imbalance" in codes(pack_npz(tmp_path, x=noise(210, 2), y=y))


def test_even_classes_of_enough_rows_are_no_finding(tmp_path: Path) -> None:
    assert not pack_npz(tmp_path, x=noise(100, 2), y=np.arange(100) % 3).findings


def test_classes_with_fewer_than_five_rows_are_listed(tmp_path: Path) -> None:
    finding = the(pack_npz(tmp_path, x=noise(37, 2), y=np.repeat(["a", "b", "c"], [30, 3, 4])), "rare_classes")
    assert "2 classes of 3 have fewer than 5 rows: 'b' (3), 'c' (4)" in finding.message
    assert finding.where == "/classes"


def test_the_row_of_a_class_that_has_one_alone_is_named(tmp_path: Path) -> None:
    y = np.repeat(["a", "b", "c", "d"], [30, 1, 3, 1])
    finding = the(pack_npz(tmp_path, x=noise(35, 2), y=y), "rare_classes")
    assert "'b' (1, row 30 from 0), 'c' (3), 'd' (1, row 34 from 0)" in finding.message
    assert finding.message.endswith("A recipe that learns a class of one row is refused")


def test_the_row_is_that_of_a_number_among_others(tmp_path: Path) -> None:
    finding = the(
        pack_csv(tmp_path, day=[f"2024-01-{day:02}" for day in range(1, 32)], grade=[7] + [3] * 15 + [5] * 15),
        "rare_classes",
    )
    assert "'7' (1, row 0 from 0)" in finding.message


def test_a_class_of_five_rows_is_not_rare(tmp_path: Path) -> None:
    assert "rare_classes" not in codes(pack_npz(tmp_path, x=noise(35, 2), y=np.repeat(["a", "b"], [30, 5])))


def test_numbers_to_predict_have_no_classes_to_find(tmp_path: Path) -> None:
    assert not pack_npz(tmp_path, x=noise(100, 2), y=np.linspace(0, 1, 100)).findings
