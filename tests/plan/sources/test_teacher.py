"""The teachers that a recipe can have."""

import pytest

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import read_recipe
from tests.plan.cards import Document, columns_card, image_card, planned, table_card

SHA = "c" * 64
TEACHER = {"run": "run_source222222", "sha256": SHA}
DISTILLED: Document = {"objective": {"distillation": {"teacher": TEACHER}}}
HINTED: Document = {"pretraining": {"type": "hints", "teacher": TEACHER}}
WITHOUT_CLASSES: Document = {
    "pretraining": {"type": "hints", "teacher": TEACHER, "coefficient": 0, "final_coefficient": 0}
}


def taught(document: Document, card: DatasetCard, seen: DatasetCard, **teacher: object) -> Plan:
    source = planned(teacher, seen)
    return make_plan(read_recipe({"dataset": card.id, "architecture": "mlp", **document}), card, {SHA: source})


def problems(document: Document, card: DatasetCard, seen: DatasetCard, **teacher: object) -> list[Problem]:
    with pytest.raises(RecipeInvalid) as refused:
        taught(document, card, seen, **teacher)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [(DISTILLED, "/objective/distillation/teacher"), (HINTED, "/pretraining/teacher")],
)
@pytest.mark.parametrize(
    ("card", "seen", "says"),
    [
        (table_card(features=3), table_card(features=4), "its inputs are 4, and these are 3"),
        (image_card(), image_card(side=28), "its inputs are 3 x 28 x 28, and these are 3 x 32 x 32"),
        (image_card(), image_card().model_copy(update={"dtype": "float32", "maximum": 1.0}),
         "its inputs are float32 from 0 to 1, and these are uint8 from 0 to 255"),
        (table_card(), table_card(classes=3), "it knows 3 classes, and this set has 10"),
        (table_card(), table_card(classes=None), "it predicts numbers, not classes"),
        (table_card(classes=2), table_card(classes=2).model_copy(update={"classes": ("0", "one")}),
         "its class number 2 is one, and this set's is 1"),
    ],
)  # fmt: skip
def test_a_teacher_must_have_the_same_inputs_and_classes(
    document: Document, pointer: str, card: DatasetCard, seen: DatasetCard, says: str
) -> None:
    [found] = problems(document, card, seen)
    assert found.pointer == pointer
    assert found.message == f"run_source222222 cannot teach {card.id}: {says}"


def test_hints_alone_may_come_from_a_teacher_of_other_classes() -> None:
    assert taught(WITHOUT_CLASSES, table_card(), table_card(classes=3)).recipe.pretraining.type == "hints"
    assert taught(WITHOUT_CLASSES, table_card(classes=None), table_card()).recipe.pretraining.type == "hints"


def test_columns_must_be_the_same_in_the_same_order() -> None:
    card = columns_card()
    document = {**DISTILLED, "dataset": {"id": "houses", "target": "rooms"}}
    teacher = {"dataset": {"id": "houses", "target": "rooms"}}
    assert taught(document, card, card, **teacher).outputs == 3
    assert card.columns is not None
    swapped = card.model_copy(update={"columns": (card.columns[0], card.columns[2], card.columns[1])})
    [found] = problems(document, card, swapped, **teacher)
    assert "it was trained with the column price where this set has area" in found.message


def test_distillation_costs_memory_for_the_teacher() -> None:
    plan = taught(DISTILLED, table_card(), table_card())
    alone = planned({}, table_card())
    assert plan.estimate.memory_bytes > alone.estimate.memory_bytes + 4 * alone.estimate.parameters
    assert plan.estimate.parameters == alone.estimate.parameters


def test_a_source_is_planned_without_its_teacher() -> None:
    recipe = read_recipe({"dataset": "rows", "architecture": "mlp", **DISTILLED})
    assert make_plan(recipe, table_card()).outputs == 10
