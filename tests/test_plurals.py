"""Numbers with their nouns, and ranges of time."""

import pytest

from bakehouse.plurals import count_of, range_text


def test_one_is_singular() -> None:
    assert [count_of(number, "epoch") for number in (0, 1, 1200)] == ["0 epochs", "1 epoch", "1,200 epochs"]
    assert [count_of(number, "pass") for number in (1, 2)] == ["1 pass", "2 passes"]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.1, 0.3, "up to 1 s"),
        (0.2, 3.4, "up to 3 s"),
        (1.2, 4.0, "1 to 4 s"),
        (4.9, 5.2, "about 5 s"),
        (40.0, 185.0, "40 s to 3 min"),
        (720.0, 1140.0, "12 to 19 min"),
        (3000.0, 12_000.0, "50 min to 3 h"),
        (90_000.0, 400_000.0, "25 h to 5 days"),
    ],
)
def test_ranges_are_written_in_whole_numbers_with_their_unit(low: float, high: float, text: str) -> None:
    assert range_text(low, high) == text
