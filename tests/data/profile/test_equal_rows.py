"""Findings about equal rows."""

from pathlib import Path

import numpy as np
import pytest

from bakehouse.data.parsed import Table
from bakehouse.data.profile import equal_rows
from bakehouse.data.profile.equal_rows import digest_rows, equal_row_findings
from bakehouse.plan.card import Column
from tests.data.profile.packed import codes, noise, pack_csv, pack_npz, the

LABELS = np.arange(100) % 2


def test_repeated_rows_are_counted(tmp_path: Path) -> None:
    x = noise(100, 3)
    x[50:60] = x[:10]
    finding = the(pack_npz(tmp_path, x=x, y=LABELS), "duplicate_rows")
    assert (finding.severity, finding.where) == ("warning", "/counts/train")
    assert "10 of 100 training rows (10 %) repeat an earlier row" in finding.message


def test_a_single_repeated_row_among_many_is_only_information(tmp_path: Path) -> None:
    x = noise(1000, 3)
    x[500] = x[0]
    finding = the(pack_npz(tmp_path, x=x, y=np.arange(1000) % 2), "duplicate_rows")
    assert (finding.severity, finding.message[:42]) == ("info", "1 of 1,000 training rows (0.1 %) repeats a")


def test_rows_of_few_possible_values_may_be_equal(tmp_path: Path) -> None:
    card = pack_csv(
        tmp_path, color=["red", "blue"] * 50, size=["s", "s", "m", "l"] * 25, label=["a", "a", "b", "c"] * 25
    )
    finding = the(card, "duplicate_rows")
    assert finding.severity == "info"
    assert "the inputs of all rows have only 4 distinct values" in finding.message


def test_row_names_do_not_hide_that_rows_are_equal() -> None:
    values = np.stack([np.arange(100.0), np.arange(100.0) // 2], axis=1)
    columns = (Column(name="id", kind="identifier"), Column(name="value", kind="number", minimum=0, maximum=49))
    [finding] = equal_row_findings(Table(values=values, columns=columns), None)
    assert finding.message.startswith("50 of 100 training rows")


def test_minus_zero_equals_zero() -> None:
    first, second = digest_rows(np.array([[0.0, 1.0], [-0.0, 1.0]]), None)
    assert first == second


def test_equal_inputs_with_different_labels_limit_the_accuracy(tmp_path: Path) -> None:
    x = noise(100, 3)
    x[1:40:2] = x[0:40:2]
    finding = the(pack_npz(tmp_path, x=x, y=LABELS), "label_noise")
    assert finding.severity == "warning"
    assert "40 of 100 rows (40 %) have the same inputs as another row" in finding.message
    assert "no model can have an accuracy above 80 %" in finding.message


def test_equal_inputs_with_different_numbers_limit_r2(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, a=np.repeat(np.arange(50) / 8, 2), y=np.repeat(np.arange(50), 2) + [-0.5, 0.5] * 50)
    # The variance within the pairs is 1/4, and of the pairs (50^2 - 1) / 12.
    assert f"an R² above {1 - 0.25 / (0.25 + (50**2 - 1) / 12):.3f}" in the(card, "label_noise").message


def test_equal_inputs_with_equal_labels_are_no_noise(tmp_path: Path) -> None:
    x = noise(100, 3)
    x[50:60] = x[:10]
    assert "label_noise" not in codes(pack_npz(tmp_path, x=x, y=LABELS))


def test_a_missing_label_disagrees_with_none(tmp_path: Path) -> None:
    labels = [*[str(n % 2) for n in range(90)], *[None] * 10]
    assert "label_noise" not in codes(pack_csv(tmp_path, a=[*range(90), *range(10)], b=[1.5, 2.5] * 50, label=labels))


def test_test_rows_among_the_training_rows_are_a_leak(tmp_path: Path) -> None:
    x, rows = noise(100, 1, 4, 4), noise(30, 1, 4, 4) + 9
    rows[:6] = x[:6]
    arrays = {"x_test": rows[:20], "y_test": LABELS[:20], "x_validation": rows[20:], "y_validation": LABELS[20:30]}
    finding = the(pack_npz(tmp_path, x=x, y=LABELS, **arrays), "leak_between_splits")
    assert (finding.severity, finding.where) == ("warning", "/counts/test")
    assert "6 rows of the 20 of the test split (30 %) are in the training split too" in finding.message


def test_splits_without_a_common_row_do_not_leak(tmp_path: Path) -> None:
    assert not pack_npz(tmp_path, x=noise(100, 2), y=LABELS, x_test=noise(20, 2) + 9, y_test=LABELS[:20]).findings


def test_of_a_large_set_a_sample_is_compared_and_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_rows, "COMPARED_ROWS", 50)
    message = the(pack_npz(tmp_path, x=np.ones((100, 2)), y=LABELS * 0 + [0, 1] * 50), "duplicate_rows").message
    assert "48 of 50 training rows (96 %)" in message
    assert "(measured on 50 of the 100 rows)" in message
