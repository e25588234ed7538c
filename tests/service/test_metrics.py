"""Columns of metrics, and thinning that keeps peaks."""

from hypothesis import given
from hypothesis import strategies as st

from service.metrics import Row, columns, thin_rows

VALUES = st.none() | st.floats(-1e6, 1e6)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=200).map(
    lambda pairs: [Row(step=step, a=a, b=b) for step, (a, b) in enumerate(pairs, start=1)]
)


@given(ROWS, st.integers(1, 60))
def test_thinned_rows_keep_extremes_ends_and_order(rows: list[Row], most: int) -> None:
    kept = thin_rows(rows, most)
    assert len(kept) <= max(most, 6)
    assert [row["step"] for row in kept] == sorted({row["step"] for row in kept if row["step"] is not None})
    for name in ("a", "b"):
        values = [row[name] for row in rows if row[name] is not None]
        shown = [row[name] for row in kept if row[name] is not None]
        assert not values or (min(values), max(values)) == (min(shown), max(shown))  # type: ignore[type-var]
    assert not rows or (kept[0], kept[-1]) == (rows[0], rows[-1])


def test_a_column_is_null_where_a_row_has_no_value() -> None:
    assert columns([{"step": 1, "b": 2.0}, {"step": 2, "a": 1.0}]) == {
        "step": (1, 2),
        "b": (2.0, None),
        "a": (None, 1.0),
    }
