"""`--seeds`."""

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.cli.seeds import parse_seeds, repeat_for_seeds, seeds_note


@pytest.mark.parametrize(
    ("text", "seeds"), [("0-4", [0, 1, 2, 3, 4]), ("7", [7]), ("0,3,8-9", [0, 3, 8, 9]), ("1,1-2", [1, 2])]
)
def test_seeds_are_numbers_and_ranges(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "4-", "-3", "0-4000000000", "4-0", "1,,2"])
def test_malformed_seeds_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_seeds(text)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
def test_every_list_of_seeds_is_parsed(seeds: list[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == seeds


def test_a_recipe_is_repeated_with_each_seed() -> None:
    assert repeat_for_seeds({"epochs": 3}, "1-2") == [{"epochs": 3, "seed": 1}, {"epochs": 3, "seed": 2}]
    assert repeat_for_seeds({"epochs": 3}, None) == [{"epochs": 3}]


@pytest.mark.parametrize(
    ("seeds", "note"),
    [
        ("5", "1 run, seed 5; 0-4 is five"),
        ("12", "1 run, seed 12; 0-11 is 12"),
        ("0", ""),
        ("0-4", ""),
        ("3,5", ""),
        (None, ""),
    ],
)
def test_a_single_number_may_have_been_meant_as_a_count(seeds: str | None, note: str) -> None:
    assert seeds_note(seeds) == note
