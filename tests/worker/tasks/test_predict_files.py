"""Files of arrays that users send as rows, good ones and hostile ones."""

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from tests.predicted_data import write_people
from worker.tasks.predict.files import read_npz
from worker.tasks.predict.rows import RowReader, RowsRefused

MAX_ROWS = 10_000


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> RowReader:
    """The reader of the rows of people.csv."""
    folder: Path = tmp_path_factory.mktemp("people")
    (folder / "data").mkdir()
    write_people(folder / "data")
    settings = Settings(home=folder / "home", data=folder / "data", device="cpu")
    recipe = read_recipe({"dataset": {"id": "people", "target": "plan"}, "architecture": "mlp"})
    return RowReader(make_plan(recipe, Catalog(settings).card("people", wait_seconds=60)))


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("age",), "the table has 2,000,000 rows; at most 10,000 are allowed (BAKEHOUSE_MAX_PREDICTION_ROWS)"),
        (("agee",), "there is no column agee; did you mean 'age'?"),
    ],
)
def test_columns_are_checked_before_they_become_lists(reader: RowReader, names: tuple[str, ...], message: str) -> None:
    body = npz(**{name: np.zeros(2_000_000, np.uint8) for name in names})
    tracemalloc.start()
    try:
        with pytest.raises(RowsRefused) as refused:
            read_npz(reader, body, max_rows=MAX_ROWS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [problem.message for problem in refused.value.problems] == [message]
    assert peak < 20 << 20
