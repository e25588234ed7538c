"""Checkpoints of other runs in a recipe: how they are written, found and changed."""

import pytest

from bakehouse.recipe.checkpoint import SavedCheckpoint, checkpoints_in, with_checkpoints
from bakehouse.recipe.problems import Path, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe

RUN, OTHER = "run_aaaaaaaaaaaa", "run_bbbbbbbbbbbb"


def recipe(checkpoint: object = RUN) -> Recipe:
    document = {
        "dataset": "digits",
        "architecture": "mlp",
        "pretraining": {"type": "transfer", "checkpoint": checkpoint},
        "objective": {"distillation": {"teacher": {"run": OTHER, "epoch": 3}}},
    }
    return read_recipe(document)


def test_a_bare_string_is_the_run_and_means_its_best() -> None:
    named = {"run": RUN, "epoch": None, "sha256": None}
    assert recipe().canonical()["pretraining"]["checkpoint"] == named
    assert recipe() == recipe({"run": RUN})


def test_checkpoints_are_found_anywhere_in_a_recipe() -> None:
    assert checkpoints_in(recipe()) == {
        "/objective/distillation/teacher": SavedCheckpoint(run=OTHER, epoch=3),
        "/pretraining/checkpoint": SavedCheckpoint(run=RUN),
    }
    assert checkpoints_in(read_recipe({"dataset": "digits", "architecture": "mlp"})) == {}


def test_only_checkpoints_are_changed() -> None:
    def pin(checkpoint: SavedCheckpoint, path: Path) -> SavedCheckpoint:
        return checkpoint.model_copy(update={"sha256": "a" * 64}) if path[0] == "pretraining" else checkpoint

    before = recipe().canonical()
    after = with_checkpoints(recipe(), pin).canonical()
    assert after["pretraining"]["checkpoint"]["sha256"] == "a" * 64
    del after["pretraining"]["checkpoint"]["sha256"], before["pretraining"]["checkpoint"]["sha256"]
    assert after == before


def test_unset_fields_stay_unset() -> None:
    changed = with_checkpoints(recipe(), lambda checkpoint, _: checkpoint.model_copy(update={"epoch": 1}))
    assert "normalization" not in changed.dataset.model_fields_set


@pytest.mark.parametrize(
    "checkpoint", ["", "run", "run_", f"{RUN}a", "../secrets0000", 3, {"run": RUN, "sha256": "A" * 64}, {"epoch": 1}]
)
def test_an_impossible_run_id_is_refused(checkpoint: object) -> None:
    with pytest.raises(RecipeInvalid) as refused:
        recipe(checkpoint)
    assert str(refused.value.problems[0].pointer).startswith("/pretraining/checkpoint")
