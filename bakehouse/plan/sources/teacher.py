"""Which trained models a recipe learns from, or has its rows scored by, and whether they can do that."""

from collections.abc import Iterator

from bakehouse.plan.card import DatasetCard, ResolvedData
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.curriculum import Curriculum, Teacher
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


def teacher_in(recipe: Recipe) -> SavedCheckpoint | None:
    """What distillation or hints name; only one of them can."""
    if recipe.objective.distillation is not None:
        return recipe.objective.distillation.teacher
    return recipe.pretraining.teacher if isinstance(recipe.pretraining, Hints) else None


def scorer_in(recipe: Recipe) -> SavedCheckpoint | None:
    """The trained model that tells hard rows from easy ones."""
    if isinstance(recipe.curriculum, Curriculum) and isinstance(recipe.curriculum.scorer, Teacher):
        return recipe.curriculum.scorer.teacher
    return None


def probabilities_are_compared(recipe: Recipe) -> bool:
    """Whether a teacher's classes must be the student's."""
    hints = recipe.pretraining
    in_hints = isinstance(hints, Hints) and max(hints.coefficient, hints.final_coefficient) > 0
    return recipe.objective.distillation is not None or in_hints


def teacher_problems(
    recipe: Recipe, data: ResolvedData, card: DatasetCard, teacher: Recipe, taught: ResolvedData, seen: DatasetCard
) -> Iterator[Problem]:
    """`taught` and `seen` are what the teacher learnt, and from which set."""
    pointer = "/objective/distillation/teacher" if recipe.objective.distillation else "/pretraining/teacher"
    checkpoint = teacher_in(recipe)
    run = checkpoint.run if checkpoint else ""
    differences = [
        *shape_differences(data, taught),
        *input_differences(recipe, card, teacher, seen),
        *(class_differences(data.classes, taught.classes) if probabilities_are_compared(recipe) else ()),
    ]
    for difference in differences[:1]:
        yield conflict(pointer, f"{run} cannot teach {card.id}: {difference}")


def scorer_problems(
    recipe: Recipe, data: ResolvedData, card: DatasetCard, teacher: Recipe, taught: ResolvedData, seen: DatasetCard
) -> Iterator[Problem]:
    """`taught` and `seen` are what the teacher learnt, and from which set."""
    checkpoint = scorer_in(recipe)
    differences = [
        *shape_differences(data, taught),
        *input_differences(recipe, card, teacher, seen),
        *class_differences(data.classes, taught.classes),
        *(["it predicts classes, not numbers"] if data.classes is None and taught.classes is not None else ()),
        *(["it learnt several targets"] if taught.tasks else ()),
    ]
    for difference in differences[:1]:
        message = f"{checkpoint.run if checkpoint else ''} cannot tell how hard rows of {card.id} are: {difference}"
        yield conflict("/curriculum/scorer/teacher", message)


def input_differences(recipe: Recipe, card: DatasetCard, source: Recipe, source_card: DatasetCard) -> Iterator[str]:
    """Inputs in other units, or other columns."""
    yield from unit_differences(card, source_card)
    yield from column_differences(feature_names(recipe, card), feature_names(source, source_card))


def shape_differences(here: ResolvedData, there: ResolvedData) -> Iterator[str]:
    """Layers take inputs of one shape."""
    if here.shape != there.shape:
        yield f"its inputs are {sized(there.shape)}, and these are {sized(here.shape)}"


def unit_differences(here: DatasetCard, there: DatasetCard) -> Iterator[str]:
    """Bytes and floats of pictures are hardly ever in the same units."""
    # Floats of 32 and of 64 bits are the same numbers.
    if (here.dtype == "uint8") != (there.dtype == "uint8"):
        theirs, ours = (f"{card.dtype} from {card.minimum:g} to {card.maximum:g}" for card in (there, here))
        yield f"its inputs are {theirs}, and these are {ours}"


def column_differences(here: tuple[str, ...], there: tuple[str, ...]) -> Iterator[str]:
    """The same numbers in the same places."""
    for ours, theirs in zip(here, there, strict=False):
        if ours != theirs:
            yield f"where it was given {theirs}, this set has {ours}"


def feature_names(recipe: Recipe, card: DatasetCard) -> tuple[str, ...]:
    """Columns that are inputs, where they have names."""
    targets = {recipe.dataset.target, *(task.target for task in recipe.objective.tasks)}
    return tuple(column.name for column in card.columns or () if column.name not in targets)


def class_differences(here: tuple[str, ...] | None, there: tuple[str, ...] | None) -> Iterator[str]:
    """Probabilities are compared class by class."""
    if here is None:
        return
    if there is None:
        yield "it predicts numbers, not classes"
    elif len(here) != len(there):
        yield f"it knows {len(there)} classes, and this set has {len(here)}"
    else:
        for number, (ours, theirs) in enumerate(zip(here, there, strict=True), start=1):
            if ours != theirs:
                yield f"its class number {number} is {theirs}, and this set's is {ours}"


def sized(shape: tuple[int, ...]) -> str:
    """`3 x 32 x 32`."""
    return " x ".join(map(str, shape))
