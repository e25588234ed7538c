"""Tables of plain text."""

from bakehouse.cli.tables import block, datasets_table, table
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.card import DatasetListing


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces() -> None:
    assert table(("A", "B", "C"), [["long", "x", ""], ["s", "longer", "z"]]) == (
        "A     B       C\nlong  x\ns     longer  z"
    )


def test_a_value_of_several_lines_stays_in_its_column() -> None:
    assert block([("a", "1\n2"), ("name", "x")]) == "a     1\n      2\nname  x"


def test_control_characters_in_a_cell_are_replaced() -> None:
    assert "\x1b" not in table(("A",), [["\x1b[2J"]])


def test_a_data_set_is_listed_with_its_notes_or_its_problem() -> None:
    card = read_card(BUILTIN / "iris").model_copy(update={"title": "", "notes": ("resized", "cut")})
    rows = datasets_table(
        [DatasetListing(id="f" * 80, status="broken", problem="no"), DatasetListing(id="i", status="ready", card=card)]
    ).splitlines()
    assert rows[1].split() == ["f" * 31 + "…", "broken", "no"]
    assert rows[2].endswith("150    resized; cut")
