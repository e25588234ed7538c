"""The profile in the card."""

from pathlib import Path

import numpy as np

from bakehouse.data.packed_folders import read_card
from tests.data.profile.packed import codes, noise, pack_csv, pack_npz


def test_the_card_that_is_stored_has_the_findings_the_gravest_first(tmp_path: Path) -> None:
    labels = ["no"] * 190 + ["yes"] * 10
    card = pack_csv(tmp_path, a=noise(200), still=[7.5] * 199 + [8.5], label=labels)
    assert [(each.severity, each.code) for each in card.findings] == [
        ("warning", "class_imbalance"),
        ("info", "near_constant"),
    ]
    assert read_card(tmp_path / "packed") == card


def test_a_profile_changes_nothing_in_the_fingerprint(tmp_path: Path) -> None:
    x, y = noise(100, 2), np.arange(100) % 2
    (tmp_path / "twice").mkdir()
    first, second = pack_npz(tmp_path, x=x, y=y), pack_npz(tmp_path / "twice", x=x, y=y)
    assert first.fingerprint == second.fingerprint


def test_a_table_of_names_alone_has_a_profile(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, unit=["kg"] * 20, other=["m"] * 20)
    assert codes(card) == ["left_out"]
