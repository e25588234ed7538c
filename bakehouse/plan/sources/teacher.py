"""Finds the trained models that teach a recipe or score its rows, and checks whether they fit."""

from collections.abc import Iterator

from bakehouse.plan.context import Context, TrainedModel, check
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.curriculum import Curriculum, Teacher
from bakehouse.recipe.pretraining import Hints
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe


def teacher_in(recipe: Recipe) -> SavedCheckpoint | None:
    """Returns the teacher of distillation or of hints; a recipe has at most one of the two."""
    if recipe.objective.distillation is not None:
        return recipe.objective.distillation.teacher
    return recipe.pretraining.teacher if isinstance(recipe.pretraining, Hints) else None


def scorer_in(recipe: Recipe) -> SavedCheckpoint | None:
    """Returns the trained model whose loss says how hard a row is."""
    if isinstance(recipe.curriculum, Curriculum) and isinstance(recipe.curriculum.scorer, Teacher):
        return recipe.curriculum.scorer.teacher
    return None


def probabilities_are_compared(recipe: Recipe) -> bool:
    """Whether the recipe compares class probabilities with the teacher's."""
    hints = recipe.pretraining
    in_hints = isinstance(hints, Hints) and max(hints.coefficient, hints.final_coefficient) > 0
    return recipe.objective.distillation is not None or in_hints


@check("sources")
def teacher_fits(context: Context) -> Iterator[Problem]:
    """Refuses a teacher of other inputs or, if probabilities are compared, of other classes."""
    checkpoint = teacher_in(context.recipe)
    recipe = context.recipe
    teacher = context.trained(checkpoint)
    if checkpoint is None or teacher is None:
        return
    pointer = "/objective/distillation/teacher" if recipe.objective.distillation else "/pretraining/teacher"
    classes = context.data.main.classes if probabilities_are_compared(recipe) else None
    differences = [*sample_differences(context, teacher), *class_differences(classes, teacher.data.main.classes)]
    for difference in differences[:1]:
        yield conflict(pointer, f"{checkpoint.run} cannot teach {context.card.id}: {difference}")


@check("sources")
def scorer_fits(context: Context) -> Iterator[Problem]:
    """Refuses a scorer that has no loss for these samples."""
    checkpoint = scorer_in(context.recipe)
    scorer = context.trained(checkpoint)
    if checkpoint is None or scorer is None:
        return
    differences = [
        *sample_differences(context, scorer),
        *class_differences(context.data.main.classes, scorer.data.main.classes),
    ]
    if context.data.main.classes is None and scorer.data.main.classes is not None:
        differences.append("it predicts classes, not numbers")
    if scorer.data.further:
        differences.append("it was trained on several targets")
    for difference in differences[:1]:
        message = f"{checkpoint.run} cannot measure how hard the rows of {context.card.id} are: {difference}"
        yield conflict("/curriculum/scorer/teacher", message)


def sample_differences(context: Context, source: TrainedModel) -> Iterator[str]:
    """Describes how the source's inputs differ in shape, units or columns."""
    if context.data.shape != source.data.shape:
        yield f"its inputs are {in_words(source.data.shape)}, and these are {in_words(context.data.shape)}"
    if context.data.lengths is not None and source.data.lengths is None:
        yield "it was trained on sequences of one length, and these are ragged"
    yield from input_differences(context, source)


def input_differences(context: Context, source: TrainedModel) -> Iterator[str]:
    """Describes how the source's inputs differ in units or columns."""
    # Images as bytes and as floats are hardly ever in the same units; floats of 32 and of 64 bits are the same numbers.
    if (context.card.dtype == "uint8") != (source.card.dtype == "uint8"):
        theirs, ours = (
            f"{card.dtype} from {card.minimum:g} to {card.maximum:g}" for card in (source.card, context.card)
        )
        yield f"its inputs are {theirs}, and these are {ours}"
    # Callers compare the shapes themselves, so the numbers of names may differ here.
    for here, there in zip(context.data.inputs, source.data.inputs, strict=False):
        if here.name != there.name:
            yield f"it was trained with the column {there.name} where this set has {here.name}"
        elif here.kind != there.kind:
            yield f"it was trained with {there.name} as a {there.kind}, and here it is a {here.kind}"
        elif here.classes != there.classes:
            yield f"it was trained with other classes of {there.name} than this set has"
        elif here != there:
            yield f"it was trained with another encoding of {there.name}, which depends on its empty cells and times"


def class_differences(ours: tuple[str, ...] | None, theirs: tuple[str, ...] | None) -> Iterator[str]:
    """Describes how the source's classes differ; probabilities are compared class by class."""
    if ours is None:
        return
    if theirs is None:
        yield "it predicts numbers, not classes"
    elif len(ours) != len(theirs):
        yield f"it knows {len(theirs)} classes, and this set has {len(ours)}"
    else:
        for number, (our_class, their_class) in enumerate(zip(ours, theirs, strict=True), start=1):
            if our_class != their_class:
                yield f"its class number {number} is {their_class}, and this set's is {our_class}"


def in_words(shape: tuple[int, ...]) -> str:
    """Formats a shape, for example as `3 x 32 x 32`."""
    return " x ".join(map(str, shape))
