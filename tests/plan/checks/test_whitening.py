"""What whitening is refused for."""

import pytest

from bakehouse.plan.layers import Normalize
from bakehouse.recipe.problems import RecipeInvalid
from tests.plan.cards import Document, image_card, planned, sequence_card, table_card


def whitened(**fields: object) -> Document:
    return {"dataset": {"id": "rows", "normalization": "whiten", **fields}}


def test_more_numbers_than_fit_a_matrix_are_refused() -> None:
    planned(whitened(), table_card(features=4096))
    planned({**whitened(), "architecture": "rnn"}, sequence_card(steps=1000, numbers=5))
    for card in (table_card(features=4097), image_card(channels=3, side=38)):
        with pytest.raises(RecipeInvalid) as refused:
            planned(whitened(), card)
        [problem] = refused.value.problems
        assert problem.pointer == "/dataset/normalization"
        assert problem.message.endswith("numbers; at most 4,096 are whitened")
        assert problem.allowed == ("standardize", "min_max", "none")


@pytest.mark.parametrize(("card", "epsilon"), [(image_card(), 1e-2), (table_card(), 1e-5), (sequence_card(), 1e-5)])
def test_the_canonical_recipe_names_epsilon_only_where_inputs_are_whitened(card: object, epsilon: float) -> None:
    document = {"architecture": "rnn"} if card == sequence_card() else {}
    assert planned({**whitened(), **document}, card).recipe.dataset.whitening_epsilon == epsilon  # type: ignore[arg-type]
    assert planned(whitened(whitening_epsilon=0.5)).recipe.dataset.whitening_epsilon == 0.5
    assert planned({}).recipe.dataset.whitening_epsilon is None


def test_epsilon_without_whitening_is_refused() -> None:
    with pytest.raises(RecipeInvalid) as refused:
        planned({"dataset": {"id": "rows", "whitening_epsilon": 0.1}})
    [problem] = refused.value.problems
    assert (problem.pointer, problem.allowed) == ("/dataset/whitening_epsilon", ("null",))


def test_an_attack_on_whitened_images_has_normalized_units() -> None:
    plan = planned({**whitened(), "objective": {"adversarial": 0.1}}, image_card(side=8))
    assert plan.recipe.objective.adversarial is not None
    assert plan.recipe.objective.adversarial.unit == "normalized"
    with pytest.raises(RecipeInvalid) as refused:
        planned({**whitened(), "objective": {"adversarial": {"epsilon": 0.1, "unit": "range"}}}, image_card(side=8))
    [problem] = refused.value.problems
    assert (problem.pointer, problem.allowed) == ("/objective/adversarial/unit", ("normalized",))


def test_the_matrix_counts_in_memory_and_arithmetic() -> None:
    plain, plan = planned({}), planned(whitened())
    rows = 3 * 4 * 64 * plan.sizes.train
    assert plan.estimate.memory_bytes - plain.estimate.memory_bytes == (4 + 3 * 8) * 64**2 + rows
    assert plan.estimate.flops_per_sample - plain.estimate.flops_per_sample == 2 * 64**2
    assert Normalize((10, 5), whitens=True).flops == 2 * 50 + 10 * 2 * 5**2
