"""The objective: what a training step lowers."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bakehouse.recipe.checkpoint import CheckpointPart
from bakehouse.recipe.ingredient import Ingredient, part, written_as

Loss = Literal["cross_entropy", "binary_cross_entropy", "squared_error", "poisson"]


class LabelSmoothing(Ingredient):
    """Soft targets instead of one-hot ones, in training only; validation is measured without.

    `all_classes`: `1 - epsilon + epsilon/k` for the right class and `epsilon/k` for each other (Szegedy et al. 2016,
    arXiv 1512.00567); `wrong_classes`: `1 - epsilon` and `epsilon/(k - 1)` (Goodfellow et al. 2016, 7.5.1). Both smooth
    two classes towards one half.

    Default: 0.1 over all classes, as in the paper; torch's function spreads it the same way.

    Trap: the two forms differ by the factor k/(k - 1): 0.1 over the wrong classes of ten is 0.111 over all.

    Trap: the training loss has a floor above 0, the entropy of the soft targets: 0.50 for ten classes at 0.1.
    """

    main: ClassVar[str | None] = "epsilon"

    epsilon: float = Field(default=0.1, gt=0, lt=1)
    """Probability mass taken from the right class, which must stay the likeliest: below 1 over `all_classes`, below
    (k - 1)/k over the `wrong_classes` of k."""
    spread: Literal["all_classes", "wrong_classes"] = "all_classes"
    """Who gets it."""


class Adversarial(Ingredient):
    """Part of the loss is that of inputs which were moved to where it is larger: `(1 - weight) J(x) + weight J(x')`.

    One step is the fast gradient sign, `x' = clip(x + epsilon sign(dJ/dx))` (Goodfellow et al. 2015, arXiv 1412.6572);
    more are projected gradient descent, `x' <- clip(x' + step_size sign(dJ/dx'))`, each time brought back to within
    epsilon of x (Madry et al. 2018, arXiv 1706.06083). The examples are made anew in every step, from the model as it
    evaluates, so that there is no dropout and no moving average or gradient of a parameter changes; no gradient goes
    through them. x and x' are two forward passes: batch norm never mixes their statistics in one batch, its moving
    averages see both, and a norm that counts steps counts two a step. Images stay between the smallest and the largest
    value that the data set holds; rows, sequences and whitened images have no bounds.

    Validation is of clean inputs; the best weights are also measured under the same attack on the test split, once:
    `test_adversarial_loss`, `test_adversarial_accuracy`.

    Default: 0.03 of the range, near the 8/255 that is customary for photographs; for handwritten digits it is 0.25. One
    gradient and half of the loss, as in Goodfellow et al. 2015, arXiv 1412.6572.

    Trap: robust models are usually a little worse on clean inputs: look at both.

    Trap: a step takes two to three times as long, and about once more for each further gradient.
    """

    main: ClassVar[str | None] = "epsilon"

    epsilon: float = Field(default=0.03, gt=0, le=1000)
    """Most that one input number may change, in `unit`s."""
    unit: Literal["range", "normalized"] | None = None
    """Of epsilon and step_size. `range`, the default for images and only for them: 1 is from the smallest to the
    largest value in the data set (0 to 255, say), whatever the normalization but `whiten`, which mixes pixels.
    `normalized`, the default for rows, sequences and whitened images: as the model sees its inputs, standard
    deviations for `standardize`."""
    steps: int = Field(default=1, ge=1, le=100)
    """Gradients that an example takes (7 to 20 in Madry et al.)."""
    step_size: float | None = Field(default=None, gt=0, le=1000)
    """How far each goes; by default epsilon for one, and 2.5 epsilon / steps, but at most epsilon, for more."""
    random_start: bool | None = None
    """Begin anywhere within epsilon; by default with more than one step. It keeps the gradient from being hidden
    around the data points."""
    weight: float = Field(default=0.5, gt=0, le=1)
    """Share of the adversarial loss. At 1 there is no clean pass: train loss and accuracy are those of x'."""


class Distillation(Ingredient):
    """A trained teacher's probabilities beside the labels: `L = (1 - weight) J + weight T^2 KL(softmax(z_t / T) ||
    softmax(z_s / T))`, the divergence summed over classes and averaged over rows.

    T^2 keeps the soft term's gradient, `T (p_s - p_t)`, at one size whatever the temperature. The teacher evaluates
    (moving averages, no dropout), is normalised as it was in its own run, and sees the inputs that the student sees,
    augmented ones too; with `adversarial` it answers for x, not for x'. It needs the same classes in the same order and
    inputs of the same shape and units.

    Default: temperature 4, in the lower part of the paper's 2 to 20, and half of the loss; the paper did best with less
    weight on the labels.

    Trap: a teacher that was trained with label smoothing tells less at high temperatures (Müller et al. 2019, arXiv
    1906.02629; contested by Shen et al. 2021, arXiv 2104.00676).

    Hinton et al. 2015, arXiv 1503.02531.
    """

    main: ClassVar[str | None] = "teacher"

    teacher: CheckpointPart
    """Whose probabilities."""
    temperature: float = Field(default=4.0, gt=0, le=1000)
    """T; higher ones show more of what the teacher thinks of wrong classes (2 to 20 in the paper)."""
    weight: float = Field(default=0.5, gt=0, le=1)
    """Share of the teacher; at 1 labels are not looked at."""


def add_on(kind: type[Ingredient], short: Any) -> BeforeValidator:
    """Null and "none" are off; a value of the type `short` is the main field."""

    def spell_out(value: object) -> object:
        return None if value in (None, "none", {"type": "none"}) else written_as(kind, value)

    return BeforeValidator(spell_out, json_schema_input_type=kind | short | Literal["none"] | None)


class ExtraTask(Ingredient):
    """A further target, learnt beside the data set's own from the same hidden layers, by an output layer of its own.

    The loss is `L = sum_q w_q L_q` over the targets q, where L_q is the mean over the rows of the batch with a label of
    q, and 0 where none has: missing labels count neither in a loss nor in a metric. The target of the data set has
    weight 1. Numbers are standardised on the training rows, so that their squared errors are of the size of a
    cross-entropy; other scales are for the weights to even out. A bare string is the target. A column that is a target
    is no input.

    Default: as much weight as the target of the data set, and the usual loss of its kind.

    Trap: layers that are normalised over the batch share their statistics between the tasks.

    Caruana 1997, Multitask Learning.
    """

    main: ClassVar[str | None] = "target"

    target: str = Field(min_length=1, max_length=256)
    """A column of the table, or one of the further targets that the data set's card lists."""
    weight: float = Field(default=1.0, gt=0, le=1e6)
    """w_q, beside 1 for the target of the data set."""
    loss: Loss | None = None
    """By default `cross_entropy` for classes and `squared_error` for numbers; see `objective.loss`."""


def listed(value: object) -> object:
    """One task stands for a list of one; null and "none" are no tasks."""
    items = value if isinstance(value, list | tuple) else [] if value in (None, "none") else [value]
    return tuple(written_as(ExtraTask, item) for item in items)


class Objective(Ingredient):
    """The mean over the batch of a loss a sample, with its add-ons.

    Default: the usual loss of the target's kind, without add-ons.

    Trap: losses of different objectives are on different scales: compare accuracies or errors.
    """

    main: ClassVar[str | None] = "loss"

    loss: Loss | None = None
    """By default `cross_entropy` for classes and `squared_error` for numbers.

    `binary_cross_entropy`: two classes, told apart by one output, the log of their odds. `poisson`: counts and other
    numbers from 0 up, half their deviance exp(y) - t y + t log t - t from a model that predicts exp(y); the output's
    bias begins at the log of the mean target."""
    label_smoothing: Annotated[LabelSmoothing | None, add_on(LabelSmoothing, float)] = None
    """For classes."""
    adversarial: Annotated[Adversarial | None, add_on(Adversarial, float)] = None
    """For any loss."""
    distillation: Annotated[Distillation | None, add_on(Distillation, str)] = None
    """For classes."""
    tasks: Annotated[
        tuple[ExtraTask, ...],
        BeforeValidator(listed, json_schema_input_type=list[ExtraTask | str] | ExtraTask | str | None),
        Field(max_length=32),
    ] = ()
    """Further targets to learn at the same time. Label smoothing is for all that are classes."""


ObjectivePart = Annotated[Objective, part(Objective)]
