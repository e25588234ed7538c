"""Times, ids and numbers as users see them."""

import hashlib
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs.record import FORMAT, event_data, new_run_id, queue_place, rfc3339
from bakehouse.runs.run import Run


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_790_000_000_007, "2026-09-21T14:13:20.007Z"),
        (1_790_000_000_999, "2026-09-21T14:13:20.999Z"),
    ],
)
def test_times_are_utc_with_milliseconds(milliseconds: int, text: str) -> None:
    assert rfc3339(milliseconds) == text


@given(st.integers(0, 4_000_000_000_000), st.integers(1, 10_000))
def test_times_sort_as_text(earlier: int, step: int) -> None:
    assert rfc3339(earlier) < rfc3339(earlier + step)


def test_ids_are_short_distinct_and_hard_to_misread() -> None:
    ids = {new_run_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("run_[2-9a-hjkmnp-tv-z]{12}", run_id) for run_id in ids)


@given(st.dictionaries(st.sampled_from("abc"), st.floats() | st.integers()))
def test_event_data_is_valid_json(fields: dict[str, float]) -> None:
    data = event_data(fields)
    non_finite = data.pop("non_finite", [])
    assert {name for name in fields if not math.isfinite(fields[name])} == set(non_finite)
    assert data == {name: None if name in non_finite else value for name, value in fields.items()}


def test_a_queued_run_says_why_it_waits() -> None:
    assert queue_place(0, workers=0).reason == "no worker is running"
    assert queue_place(0, workers=1).reason == "waits for a free worker, next"


def without_descriptions(schema: Any) -> Any:
    """The schema without the texts, which do not change what is stored."""
    match schema:
        case dict():
            return {
                name: without_descriptions(value)
                for name, value in schema.items()
                if name != "description" or not isinstance(value, str)
            }
        case list():
            return [without_descriptions(value) for value in schema]
        case _:
            return schema


def test_the_format_changes_with_the_schema_of_a_run() -> None:
    schema = json.dumps(without_descriptions(Run.model_json_schema(mode="serialization")), sort_keys=True)
    present = hashlib.sha256(schema.encode()).hexdigest()[:8]
    assert present == FORMAT, f'the schema of a run has changed: set FORMAT = "{present}" in bakehouse/runs/record.py'
