"""The estimate counts what a training process holds of its data."""

from bakehouse.plan.data_bytes import INDEX_BYTES, MAPPED_BYTES
from tests.plan.cards import Document, image_card, planned, table_card


def test_of_a_set_that_stays_on_disk_only_an_index_is_counted() -> None:
    rows = MAPPED_BYTES // (3 * 32 * 32) + 1
    small = planned({}, image_card(rows=rows - 1)).estimate.memory_bytes
    large = planned({}, image_card(rows=rows)).estimate.memory_bytes
    twice = planned({}, image_card(rows=2 * rows)).estimate.memory_bytes
    assert small - large > 0.9 * MAPPED_BYTES - INDEX_BYTES * rows
    assert INDEX_BYTES * rows <= twice - large < 0.03 * MAPPED_BYTES


def test_whitened_inputs_are_counted_unless_they_are_too_large_to_be_kept() -> None:
    whitened: Document = {"dataset": {"id": "rows", "normalization": "whiten"}}
    plain, white = (planned(recipe, table_card(rows=5000)).estimate.memory_bytes for recipe in ({}, whitened))
    assert white - plain >= 3 * 4 * 64 * 3000
