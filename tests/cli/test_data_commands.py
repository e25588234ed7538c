"""What `bakehouse data show` says about a data set."""

from pathlib import Path

from bakehouse.cli.data_commands import describe_card, example_recipe
from tests.data.profile.packed import noise, pack_csv


def test_findings_are_shown_with_their_severity(tmp_path: Path) -> None:
    lines = list(describe_card(pack_csv(tmp_path, a=noise(200), label=["no"] * 190 + ["yes"] * 10)))
    assert [line for line in lines if line.startswith("  warning: of 200 rows, 190 (95 %) are of the class 'no'")]


def test_no_recipe_is_shown_for_a_table_without_inputs(tmp_path: Path) -> None:
    card = pack_csv(tmp_path, zip=[f"{i:05}" for i in range(60)], label=["a", "b"] * 30)
    assert example_recipe(card) is None
    assert [finding.code for finding in card.findings] == ["left_out"]
