"""Tables of plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.cli.formats import cell_width
from bakehouse.cli.tables import (
    DATASETS_COLUMNS,
    RUNS_COLUMNS,
    WORKERS_COLUMNS,
    Column,
    datasets_table,
    fit_block,
    fit_table,
    runs_row,
    table,
)
from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.listing import DatasetListing
from bakehouse.data.packed_folders import read_card
from bakehouse.runs.brief import BriefBest, BriefProgress, BriefRun

TIME = "2026-01-01T00:00:00.000Z"
RUN = BriefRun(
    id="run_222222222222", name="norm and dropout", status="running", request="cancel", reason="claimed",
    dataset="digits", architecture="preresnet", loss="cross_entropy",
    best=BriefBest(epoch=12, monitor="validation_accuracy", value=0.98), gap=None,
    progress=BriefProgress(epoch=18, epochs=100), eta_seconds=None, stops_in_seconds=None, queue=None,
    verdict=None, sparkline=None, ingredients=(), labels=0, created_at=TIME, seconds=75.0,
)  # fmt: skip


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces() -> None:
    columns = [Column("A"), Column("B"), Column("C")]
    assert fit_table(columns, [["long", "x", ""], ["s", "longer", "z"]], 80) == (
        "A     B       C\nlong  x\ns     longer  z"
    )


def test_wide_characters_take_two_columns() -> None:
    assert fit_table([Column("A"), Column("B")], [["模型", "x"], ["é", "y"]], 80) == "A     B\n模型  x\né     y"


def test_off_a_terminal_cells_are_whole_and_between_tabs() -> None:
    long = "x" * 300
    assert table(["A", Column("B", least=5, rank=1)], [["1", long]]) == f"A\tB\n1\t{long}"
    assert table(["A", "B"], [["a\tb", "c\nd"]]) == "A\tB\na?b\tc?d"


AT_118 = """\
RUN               NAME          RECIPE        STATUS         EPOCH   BEST  VALUE          TIME        CREATED
run_222222222222  norm and dr…  digits prer…  running (can…  18/100  e12   98.0% accura…  1 min 15 s  2026-01-01 00:00"""  # noqa: E501
AT_80 = """\
RUN               NAME        RECIPE      STATUS       EPOCH   BEST  VALUE
run_222222222222  norm and …  digits pr…  running (c…  18/100  e12   98.0% accu…"""
AT_60 = """\
RUN               NAME        STATUS       BEST  VALUE
run_222222222222  norm and …  running (c…  e12   98.0% accu…"""


@pytest.mark.parametrize(("width", "text"), [(118, AT_118), (80, AT_80), (60, AT_60)])
def test_columns_are_left_out_and_cut_to_fit_the_terminal(width: int, text: str) -> None:
    assert fit_table(RUNS_COLUMNS, [runs_row(RUN)], width) == text


texts = st.text(st.characters(codec="utf-8"), max_size=60)


@pytest.mark.parametrize("width", [60, 80, 118])
@pytest.mark.parametrize("columns", [RUNS_COLUMNS, DATASETS_COLUMNS, WORKERS_COLUMNS])
@given(st.data())
def test_no_table_is_wider_than_its_terminal(columns: tuple[Column, ...], width: int, data: st.DataObject) -> None:
    row = st.tuples(*(st.just("0" * 16) if column.name == "RUN" else texts for column in columns))
    rows = data.draw(st.lists(row, max_size=3))
    lines = fit_table(columns, rows, width).split("\n")
    assert len(lines) == 1 + len(rows)
    assert max(map(cell_width, lines)) <= width
    # The ids can be copied.
    if "RUN" in lines[0]:
        assert all("0" * 16 in line for line in lines[1:])


def test_the_narrowest_terminal_gets_the_beginning_of_each_cell() -> None:
    assert fit_table([Column("NAME"), Column("STATUS")], [["something", "succeeded"]], 1).split("\n")[1] == "som…  suc…"


def test_a_value_of_several_lines_stays_in_its_column() -> None:
    assert fit_block([("a", "1\n2"), ("name", "x")], None) == "a     1\n      2\nname  x"


def test_a_value_is_broken_between_words() -> None:
    assert fit_block([("advice", "one two three four five six seven")], 30) == (
        "advice  one two three four\n        five six seven"
    )
    assert fit_block([("file", "a/path/that/is/longer/than/a/line")], 20) == "file  a/path/that/is/longer/than/a/line"


def test_control_characters_in_a_cell_are_replaced() -> None:
    assert "\x1b" not in table(["A"], [["\x1b[2J"]])


def test_a_data_set_is_listed_with_its_notes_or_its_problem() -> None:
    card = read_card(BUILTIN / "iris").model_copy(update={"title": "", "notes": ("resized", "cut")})
    rows = datasets_table(
        [
            DatasetListing(id="f" * 60, name="f" * 60, status="broken", problem="no"),
            DatasetListing(id="i", name="i", status="ready", card=card),
        ]
    ).splitlines()
    assert rows[1].split() == ["f" * 60, "broken", "no"]
    assert rows[2].endswith("\t150\tresized; cut")
