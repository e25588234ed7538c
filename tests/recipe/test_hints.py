"""What a refusal says of a name that belongs elsewhere or has another name here."""

import pytest

from bakehouse.recipe.hints import CHOICES, REMARKS, SYNONYMS, index_places, place_of, plain
from bakehouse.recipe.ingredient import variants
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from tests.plan.cards import Document

INDEX = index_places(Recipe)


def refusal(fields: Document) -> str:
    """Returns the only message about a recipe with these fields."""
    with pytest.raises(RecipeInvalid) as refused:
        read_recipe({"dataset": "digits", "architecture": "mlp", **fields})
    [problem] = refused.value.problems
    return problem.message


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"early_stopping": {"type": "patience", "monitor": "validation_accuracy"}}, "evaluation.monitor"),
        ({"monitor": "validation_accuracy"}, "evaluation.monitor"),
        ({"learning_rate": 0.1}, "optimizer.lr"),
        ({"lr": 0.1}, "optimizer.lr"),
        ({"architecture": {"type": "mlp", "learningRate": 0.1}}, "optimizer.lr"),
        ({"optimizer": {"type": "adam", "epochs": 3}}, "epochs, at the top of the recipe"),
        ({"optimizer": {"type": "adam", "num_epochs": 3}}, "epochs, at the top of the recipe"),
        ({"architecture": {"type": "mlp", "dropout": 0.5}}, "dropout, at the top of the recipe"),
        ({"mixup": 0.2}, 'augmentation, as {"type": "mixup"}'),
        ({"batch_norm": True}, 'norm, as {"type": "batch_norm"}'),
        ({"weight_decay": 0.1}, 'regularizer, as {"type": "weight_decay"}'),
        ({"label_smoothing": 0.1}, "objective.label_smoothing"),
        ({"monitr": "validation_loss"}, "evaluation.monitor"),
        ({"spatial_dropouts": 0.2}, 'dropout, as {"type": "spatial_dropout"}'),
        ({"patience": 3}, "early_stopping.patience (patience) or schedule.patience (plateau)"),
        ({"norm": "dropout"}, "dropout, at the top of the recipe"),
    ],
)
def test_a_misplaced_name_gets_its_place(fields: Document, place: str) -> None:
    assert refusal(fields).endswith(f"; its place is {place}")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"epochs_max": 3}, "epochs"),
        ({"batchsize": 3}, "batch_size"),
        ({"model": "mlp"}, "architecture"),
        ({"random_state": 3}, "seed"),
        ({"optimizer": {"type": "adam", "learning_rate": 0.1}}, "lr"),
        ({"optimizer": "adamW"}, "adamw"),
        ({"optimizer": {"type": "adamw", "weight_decy": 0.1}}, "weight_decay"),
        ({"optimizer": {"type": "adamw", "wd": 0.1}}, "weight_decay"),
        ({"dropout": {"drop_prob": 0.1}}, "rate"),
        ({"dropout": "non"}, "none"),
        ({"norm": "bn"}, "batch_norm"),
        ({"objective": "mse"}, "squared_error"),
        ({"schedule": {"type": "step", "factor": 0.1}}, "gamma"),
        ({"schedule": {"type": "plateau", "gamma": 0.1}}, "factor"),
        ({"regularizer": {"type": "l2", "lambda": 0.1}}, "coefficient"),
    ],
)
def test_a_name_of_another_library_gets_the_name_here(fields: Document, name: str) -> None:
    assert refusal(fields).endswith(f"; did you mean {name!r}?")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": {"type": "adam", "momentum": 0.9}}, "; only sgd, rmsprop have it"),
        ({"device": "cuda"}, "its setting is BAKEHOUSE_DEVICE"),
        ({"objective": {"type": "poisson"}}, "a bare value sets its 'loss'"),
        ({"early_stopping": True}, 'such as "patience", or 10 for its patience, which is the default; not true'),
        ({"early_stopping": False}, 'should be "none" to switch it off, not false'),
        ({"dropout": False}, 'should be "none" to switch it off, not false'),
        ({"norm": True}, 'such as "batch_norm", or an object, not true'),
        ({"optimizer": {"name": "adam"}}, 'write "type" instead of "name"'),
        ({"norm": {"group_norm": {"num_groups": 4}}}, 'as in {"type": "group_norm", ...}'),
        ({"epochs": 2.5}, "should be an integer, not 2.5"),
        ({"early_stopping": "5"}, "; a number has no quotation marks"),
        ({"norm": 1}, "or an object, not a number"),
        ({"epochs": None}, "should be a valid integer, not null"),
        ({"schedule": {"type": "cosine", "T_max": 30}}, ": the rate falls over all `epochs`"),
        ({"epochs": "3"}, "should be a valid integer, without quotation marks"),
    ],
)
def test_other_slips_get_what_would_be_right(fields: Document, message: str) -> None:
    assert refusal(fields).endswith(message)


@pytest.mark.parametrize("text", sorted({place for places in SYNONYMS.values() for place in places}))
def test_each_place_of_the_table_exists(text: str) -> None:
    place = place_of(text, INDEX)
    if place.is_variant:
        [family] = place.path
        assert place.variants[0] in variants(Recipe.model_fields[family].annotation)


def test_no_field_of_the_recipe_is_taken_for_a_name_of_another_library() -> None:
    assert {*SYNONYMS, *REMARKS} & set(Recipe.model_fields) == set()


def test_each_choice_of_the_table_is_a_value_of_a_field() -> None:
    schema = Recipe.model_json_schema()
    fields = [field for kind in (schema, *schema["$defs"].values()) for field in kind["properties"].values()]
    values = {name for field in fields for form in (field, *field.get("anyOf", ())) for name in form.get("enum", ())}
    assert set(CHOICES.values()) <= values


def test_every_name_is_known_in_any_spelling() -> None:
    assert all(plain(name) == name for name in INDEX)
    assert "validationfraction" in INDEX
