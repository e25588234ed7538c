"""The table of digests."""

import pytest
import torch

from tests.small_trainings import IRIS, Document, make_training
from tools.digests import COLUMNS, as_text, compare, digest_recipe, read_table
from worker.training.training import Training

RECIPE: Document = {**IRIS, "architecture": "linear", "norm": "none", "epochs": 1}


def test_a_recipe_has_the_same_digests_again_and_a_table_equals_itself() -> None:
    row = digest_recipe(RECIPE)
    assert digest_recipe({**RECIPE, "name": "other"}) == row
    assert len(row) == len(COLUMNS)
    assert list(compare(read_table(as_text({"a": row})), {"a": row})) == ["1 equal, 0 different, 0 new, 0 gone"]


def test_the_last_bit_of_a_weight_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def train_changed(document: Document) -> Training:
        training = make_training(document)
        with torch.no_grad():
            weight = training.take_step.parameters[0]
            weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(9.0))
        return training

    row = digest_recipe(RECIPE)
    monkeypatch.setattr("tools.digests.make_training", train_changed)
    changed = dict(zip(COLUMNS, digest_recipe(RECIPE), strict=True))
    different = [column for column, digest in zip(COLUMNS, row, strict=True) if changed[column] != digest]
    assert {"weights", "outputs", "script", "checkpoint"} <= set(different)
    lines = list(compare({"a": tuple(changed.values())}, {"a": row}))
    assert lines == [f"a\t{', '.join(different)}", "0 equal, 1 different, 0 new, 0 gone"]


def test_recipes_that_are_new_or_gone_are_listed() -> None:
    row = ("1", "2", "3", "4", "5")
    lines = list(compare({"a": row, "b": row, "c": (*row[:4], "6")}, {"a": row, "c": row, "d": row}))
    assert lines == ["b\tnew", "c\tcheckpoint", "d\tgone", "1 equal, 1 different, 1 new, 1 gone"]
