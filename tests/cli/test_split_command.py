"""Row numbers as text."""

from bakehouse.cli.split_command import shorten, split_text
from bakehouse.runs.split import RunSplit, SplitRows


def part(*rows: int) -> SplitRows:
    return SplitRows(source="trees.csv", count=len(rows), rows=rows)


def test_rows_are_shown_as_ranges() -> None:
    assert shorten([0, 1, 2, 4, 6, 7]) == "0-2 4 6-7"
    assert shorten([]) == ""
    assert shorten(range(0, 200, 2)).endswith(" 40 42 ...")


def test_the_page_says_what_a_row_number_means() -> None:
    found = RunSplit(
        run="run_222222222222", dataset="trees", fingerprint="sha256:0", file="trees.csv", format="csv",
        row_number="A row number counts rows.", split_seed=0, validation_fraction=0.2, folds=5, fold=2,
        bootstrap=True,
        train=part(0, 1, 5), validation=part(2), test=part(3, 4),
    )  # fmt: skip
    assert split_text(found).splitlines() == [
        "SPLIT            ROWS  ROW NUMBERS",
        "train               3  of trees.csv: 0-1 5",
        "validation          1  of trees.csv: 2",
        "test                2  of trees.csv: 3-4",
        "",
        "A row number counts rows. Numbers are counted from 0.",
        "The run validates on fold 2 of 0 to 4.",
        "The run draws its training rows from these with replacement (bootstrap).",
    ]
