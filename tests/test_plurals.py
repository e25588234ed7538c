"""A number with its noun."""

from bakehouse.plurals import count_of


def test_one_is_singular() -> None:
    assert [count_of(number, "epoch") for number in (0, 1, 1200)] == ["0 epochs", "1 epoch", "1,200 epochs"]
    assert [count_of(number, "pass") for number in (1, 2)] == ["1 pass", "2 passes"]
