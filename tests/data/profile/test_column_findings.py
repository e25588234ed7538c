"""Findings about the columns of tables."""

from pathlib import Path

import numpy as np

from tests.data.profile.packed import codes, noise, pack_csv, pack_npz, the

LABELS = np.where(np.arange(200) % 2, "yes", "no")


def test_a_column_that_hardly_varies_is_found_and_its_exclusion_proposed(tmp_path: Path) -> None:
    finding = the(pack_csv(tmp_path, a=noise(200), still=[7.5] * 199 + [8.5], label=LABELS), "near_constant")
    assert "the same value in still (99.5 %)" in finding.message
    assert (finding.where, [step.value for step in finding.patch]) == ("/columns/1", ["still"])


def test_features_without_names_that_never_vary_are_found(tmp_path: Path) -> None:
    x = noise(100, 3)
    x[:, :2] = 4
    finding = the(pack_npz(tmp_path, x=x, y=np.arange(100) % 2), "near_constant")
    assert "feature 0 (100 %), feature 1 (100 %)" in finding.message
    assert not finding.patch


def test_a_column_with_a_value_in_a_few_rows_varies(tmp_path: Path) -> None:
    assert "near_constant" not in codes(pack_csv(tmp_path, a=noise(200), b=[7.5] * 190 + [8.5] * 10, label=LABELS))


def test_shares_of_empty_cells_are_listed(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, age=[None] * 50 + [*noise(150)], b=noise(200), deck=[None] * 150 + [*noise(50)], y=LABELS)
    assert "age in 25 % of the rows" in the(card, "missing_values").message
    mostly = the(card, "mostly_missing")
    assert "deck in 75 % of the rows" in mostly.message
    assert (mostly.severity, [step.value for step in mostly.patch]) == ("warning", ["deck"])


def test_a_full_table_has_no_finding(tmp_path: Path) -> None:
    assert not pack_csv(tmp_path, a=noise(200), b=noise(200)[::-1], label=LABELS).findings


def test_a_code_for_missing_values_is_found(tmp_path: Path) -> None:
    finding = the(pack_csv(tmp_path, age=[*noise(190).round(1), *[-999] * 10], label=LABELS), "missing_code")
    assert "-999 in age" in finding.message


def test_a_number_of_nines_among_others_is_no_code(tmp_path: Path) -> None:
    assert "missing_code" not in codes(pack_csv(tmp_path, age=[*range(100), *range(100)], label=LABELS))


def test_columns_that_are_no_inputs_are_named(tmp_path: Path) -> None:
    finding = the(pack_csv(tmp_path, a=noise(200), unit=["kg"] * 200, label=LABELS), "left_out")
    assert "unit (the same in all rows)" in finding.message
    assert finding.where == "/columns/1"


def test_a_long_tail_is_found(tmp_path: Path) -> None:
    finding = the(pack_csv(tmp_path, income=np.exp(3 * noise(200)), b=noise(200)[::-1], label=LABELS), "skewed")
    assert finding.message.startswith("a few rows have far larger values than the others in income (")


def test_numbers_around_zero_have_no_long_tail(tmp_path: Path) -> None:
    assert "skewed" not in codes(pack_csv(tmp_path, a=noise(200) ** 3, b=noise(200)[::-1], label=LABELS))


def test_texts_that_differ_in_case_alone_are_a_warning(tmp_path: Path) -> None:
    sexes = [("Male", "male ", "female")[n % 3] for n in range(200)]
    card = pack_csv(tmp_path, a=noise(200), sex=sexes, label=LABELS)
    finding = the(card, "spelled_alike")
    assert "different classes: sex ('Male', 'male'). If they mean the same" in finding.message
    assert finding.where == "/columns/1"


def test_the_unit_of_numbers_is_told(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, weight=[f"{n}.5 kg" for n in range(200)], b=noise(200), label=LABELS)
    assert "a unit: weight in kg. The rows to predict need the same unit" in the(card, "units").message
    assert "spelled_alike" not in codes(card)
