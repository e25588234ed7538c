"""Refuses class weights, balanced samples and shuffles that do not fit the data or the rest of the recipe."""

from collections.abc import Iterator

from bakehouse.plan.context import Context, check
from bakehouse.plan.splits import class_counts, counts_outside_test, training_counts
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.problems import Problem, conflict, did_you_mean, pointer
from bakehouse.recipe.shuffle import Blocks
from bakehouse.recipe.split import Random


@check("recipe")
def class_weights_fit(context: Context) -> Iterator[Problem]:
    """Refuses class weights without classes, for several targets, for classes that do not exist, and beside samples
    that are balanced already."""
    weights = context.recipe.objective.class_weights
    if weights == "none":
        return
    classes = context.data.main.classes
    if classes is None:
        message = f"{context.card.id} is a regression data set, which has no classes"
        yield conflict("/objective/class_weights", message, ("none",))
        return
    if context.data.further:
        message = "class weights are those of one target, and objective.tasks adds more"
        yield conflict("/objective/class_weights", message, ("none",))
    for name in weights if isinstance(weights, dict) else ():
        if name not in classes:
            message = f"there is no class {name}{did_you_mean(name, classes)}"
            yield conflict(pointer(("objective", "class_weights", name)), message, classes)
    if weights == "balanced" and context.recipe.dataset.sampling != "none":
        message = f"dataset.sampling {context.recipe.dataset.sampling} makes the classes equally common already"
        yield conflict("/objective/class_weights", message, ("none",))


@check("recipe")
def sampling_fits(context: Context) -> Iterator[Problem]:
    """Refuses balanced samples without classes, for several targets, and under a curriculum, which chooses rows too."""
    sampling = context.recipe.dataset.sampling
    if sampling == "none":
        return
    if context.data.main.classes is None:
        message = f"{context.card.id} is a regression data set, which has no classes"
        yield conflict("/dataset/sampling", message, ("none",))
    elif context.data.further:
        message = "the rows of a sample have the classes of one target, and objective.tasks adds more"
        yield conflict("/dataset/sampling", message, ("none",))
    elif sampling == "undersample":
        yield from rows_are_counted(context)
    if isinstance(context.recipe.dataset.shuffle, Blocks):
        message = f"dataset.sampling {sampling} draws rows of the whole split, so that they are not read in blocks"
        yield conflict("/dataset/shuffle", message, ("full",))
    if not isinstance(context.recipe.curriculum, Off):
        message = f"the curriculum {context.recipe.curriculum.type} chooses the rows of a step, and so does "
        yield conflict("/dataset/sampling", message + "dataset.sampling", ("none",))


@check("recipe")
def classes_recur(context: Context) -> Iterator[Problem]:
    """Refuses a class with a single row, which can be learned or measured, but never both."""
    target = context.data.main
    own = context.card.counts
    # The set's own splits have further rows, which may measure what a single row teaches.
    if target.classes is None or own.validation is not None or own.test is not None:
        return
    counts = class_counts(context.card, context.data) or ()
    single = [repr(name) for name, count in zip(target.classes, counts, strict=False) if count == 1]
    if not single:
        return
    columns = {column.name: column for column in context.card.columns or ()}
    message = f"{count_of(len(single), 'class')} of {len(counts):,} {'has' if len(single) == 1 else 'have'} a single "
    message += f"row, which cannot both be learned and measured: {listed(single)}. Add rows of each"
    if target.name not in columns:
        yield conflict("/dataset/id", f"{message}, merge classes, or leave these rows out of the data set")
        return
    message += f", merge classes, or empty these cells of {target.name}: rows without a label are left out"
    numbers = "; or set objective.loss to squared_error, which learns numbers" if columns[target.name].whole else ""
    yield conflict("/dataset/target", message + numbers)


@check("recipe")
def a_class_is_in_all_folds(context: Context) -> Iterator[Problem]:
    """Refuses folds of which no class has a row in each."""
    dataset = context.recipe.dataset
    counts = counts_outside_test(dataset, context.card, context.data) or ()
    most = max(counts, default=0)
    if counts and dataset.folds is not None and most < dataset.folds:
        right = ("null",) if most < 2 else (f"2 to {most}", "null")
        message = f"the most common class has {count_of(most, 'row')} outside the test split, and {dataset.folds} folds"
        yield conflict("/dataset/folds", f"{message} need one each", right)


@check("recipe")
def shuffle_fits(context: Context) -> Iterator[Problem]:
    """Refuses blocks of rows under a curriculum, whose easy rows are at all places of the file."""
    curriculum = context.recipe.curriculum
    if isinstance(context.recipe.dataset.shuffle, Blocks) and not isinstance(curriculum, Off):
        message = f"the curriculum {curriculum.type} chooses rows of the whole split, which are not read in blocks"
        yield conflict("/dataset/shuffle", message, ("full",))


def rows_are_counted(context: Context) -> Iterator[Problem]:
    """Refuses samples whose size depends on which rows the training split has."""
    dataset = context.recipe.dataset
    if training_counts(dataset, context.card, context.data) is not None:
        return
    reason = f"the card of {context.card.id} does not count its classes"
    if dataset.bootstrap:
        reason = "a bootstrap draws other rows for each seed"
    elif not isinstance(dataset.split, Random):
        reason = f"a {dataset.split.type} split does not divide each class in proportion"
    message = f"undersample takes as many rows of each class as the rarest has in the training split, and {reason}"
    yield conflict("/dataset/sampling", message, ("none", "balanced"))
