"""Findings about single inputs that give the target away."""

from pathlib import Path

import numpy as np

from bakehouse.data.profile.giveaways import nearest
from bakehouse.recipe.patch import PatchStep
from tests.data.profile.packed import codes, noise, pack_csv, pack_npz, the

LABELS = np.random.default_rng(1).integers(0, 2, 200)


def test_a_column_that_predicts_the_class_is_found_and_its_exclusion_proposed(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, a=noise(200), left=np.where(LABELS, "gone", "here"), churn=np.where(LABELS, "yes", "no"))
    finding = the(card, "gives_target_away")
    assert (finding.severity, finding.where) == ("warning", "/columns/1")
    assert "left alone predicts churn: an accuracy of 100 % on 100 held-out rows" in finding.message
    assert finding.patch == (PatchStep(op="add", path="/dataset/columns/exclude/-", value="left"),)


def test_a_column_that_the_target_is_computed_from_is_found(tmp_path: Path) -> None:
    celsius = noise(200)
    card = pack_csv(tmp_path, rain=noise(200)[::-1], celsius=celsius, fahrenheit=celsius * 1.8 + 32)
    assert "celsius alone predicts fahrenheit: an R² of 0.99" in the(card, "gives_target_away").message


def test_gaps_that_predict_the_class_are_found(tmp_path: Path) -> None:
    paid = [None if label else value for label, value in zip(LABELS, noise(200), strict=True)]
    assert "gives_target_away" in codes(pack_csv(tmp_path, a=noise(200)[::-1], paid=paid, label=LABELS))


def test_a_feature_without_a_name_is_found_by_its_number(tmp_path: Path) -> None:
    x = noise(200, 3)
    x[:, 1] = LABELS + 0.1 * x[:, 1]
    finding = the(pack_npz(tmp_path, x=x, y=LABELS), "gives_target_away")
    assert finding.message.startswith("feature 1 alone predicts the target")
    assert not finding.patch


def test_a_good_input_is_no_giveaway(tmp_path: Path) -> None:
    x = noise(200, 3)
    x[:, 1] += 2.5 * LABELS
    assert "gives_target_away" not in codes(pack_npz(tmp_path, x=x, y=LABELS))


def test_a_correlated_number_is_no_giveaway(tmp_path: Path) -> None:
    height = noise(200)
    card = pack_csv(tmp_path, height=height, age=noise(200)[::-1], weight=height + 0.1 * noise(200)[::-1])
    assert "gives_target_away" not in codes(card)


def test_the_only_input_is_no_giveaway(tmp_path: Path) -> None:
    assert "gives_target_away" not in codes(pack_csv(tmp_path, x=np.arange(200) / 7, y=np.arange(200) / 3))


def test_few_rows_are_not_enough_to_say_so(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, a=noise(40), left=LABELS[:40], churn=np.where(LABELS[:40], "yes", "no"))
    assert "gives_target_away" not in codes(card)


def test_the_nearest_value_is_found_at_the_ends_too() -> None:
    assert nearest(np.array([1.0, 2.0, 4.0]), np.array([-5.0, 1.4, 3.5, 9.0])).tolist() == [0, 0, 2, 2]
