"""Curricula: training begins with easy rows."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.checkpoint import CheckpointPart
from bakehouse.recipe.ingredient import Ingredient, Off, one


class Distance(Ingredient):
    """Rows near the mean of their class are easy. The distance is measured between normalised inputs, without
    augmentation; in a regression, the mean is that of all rows.

    Trap: a distance between pixels says little about what images show; a `teacher` knows more.

    Bengio et al. 2009, ICML.
    """

    type: Literal["distance"] = "distance"


class Teacher(Ingredient):
    """Rows on which a trained model has a low loss are easy; the loss is measured without augmentation.

    The model needs inputs of the same shape and units and the same classes in the same order, or numbers in a
    regression.

    Trap: a teacher that was trained on the same rows may have memorised the hard ones.

    Hacohen & Weinshall 2019, arXiv 1904.03626.
    """

    main: ClassVar[str | None] = "teacher"

    type: Literal["teacher"] = "teacher"
    teacher: CheckpointPart
    """The model whose loss is measured."""


AnyScorer = Distance | Teacher
Scorer = Annotated[AnyScorer, Field(discriminator="type"), one(AnyScorer)]


class Curriculum(Ingredient):
    """Each step trains on rows drawn uniformly from the easiest share g of the training split, which grows from `start`
    to 1. The order is fixed before training: an order that followed the model in training would be circular.

    With u the elapsed share of `until`, g is `start + (1 - start) u` (`linear`), `sqrt(start^2 + (1 - start^2) u)`
    (`root`, which gives each new row as much time: Platanios et al. 2019, arXiv 1903.09848) or a staircase of `steps`
    equal rises (`step`). An epoch keeps its number of steps and the sizes of its batches: it goes through fresh
    permutations of the easiest rows, one after the other, each of as many rows as g allows when it begins. From `until`
    on, epochs are those of a run without a curriculum.

    Default: from a fifth of the rows to all of them over the first half of the run, so that the second half is training
    as usual.

    Trap: until g is 1, the train loss is that of easy rows, and it rises as hard rows are added.

    Trap: if `balanced` is off, the easiest rows may belong to a few classes, which also distorts the statistics of
    batch norm.

    Bengio et al. 2009, ICML.
    """

    type: Literal["curriculum"] = "curriculum"
    scorer: Scorer = Distance()
    """Measure of a row's difficulty."""
    pacing: Literal["linear", "root", "step"] = "linear"
    """Function by which g grows."""
    start: float = Field(default=0.2, gt=0, le=1)
    """Value of g in the first step."""
    until: float = Field(default=0.5, gt=0, le=1)
    """Share of the run's steps after which g is 1. Early stopping may end the run before."""
    steps: int | None = Field(default=None, ge=1, le=1000)
    """Number of rises of the pacing `step`, by default 4; it is only for that pacing."""
    balanced: bool = True
    """Whether the easiest rows of each class are taken, so that all classes keep their shares."""


class SelfPaced(Ingredient):
    """Each epoch trains on the rows whose loss is below a threshold lambda, `v_i = 1 if loss_i < lambda`, and lambda
    grows.

    Losses are measured at the beginning of each epoch, in evaluation mode and without augmentation, smoothing or an
    adversary; this costs one pass over the training split per epoch. The first lambda is chosen so that the share
    `start` of the rows is below it, and at least as many rows are always taken. An epoch keeps its number of steps: it
    goes through fresh permutations of these rows, one after the other.

    Default: half of the rows at first, and all of them in the last fifth of the run, whatever the value of lambda.

    Trap: the model itself measures the difficulty, so it first needs some epochs with all rows.

    Kumar et al. 2010, NeurIPS.
    """

    type: Literal["self_paced"] = "self_paced"
    start: float = Field(default=0.5, gt=0, le=1)
    """Share of the rows that is below the first lambda."""
    growth: float = Field(default=1.3, gt=1, le=1000)
    """Factor by which lambda grows from one epoch to the next."""
    warmup_epochs: int = Field(default=1, ge=0, le=100_000)
    """Number of epochs with all rows before the first lambda."""
    until: float = Field(default=0.8, gt=0, le=1)
    """Share of the run's epochs after which all rows are taken."""
    balanced: bool = True
    """Whether each class has its own lambda, so that at least the share `start` of each class is taken."""


AnyCurriculum = Off | Curriculum | SelfPaced
CurriculumPart = Annotated[AnyCurriculum, Field(discriminator="type"), one(AnyCurriculum)]
