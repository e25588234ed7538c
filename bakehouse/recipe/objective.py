"""The objective that training minimises."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bakehouse.recipe.checkpoint import CheckpointPart
from bakehouse.recipe.ingredient import Ingredient, part, written_as

Loss = Literal["cross_entropy", "binary_cross_entropy", "squared_error", "poisson"]


class LabelSmoothing(Ingredient):
    """Replaces one-hot targets by soft ones, in training only; validation uses the targets themselves.

    `all_classes`: `1 - epsilon + epsilon/k` for the true class and `epsilon/k` for each other (Szegedy et al. 2016,
    arXiv 1512.00567); `wrong_classes`: `1 - epsilon` and `epsilon/(k - 1)` (Goodfellow et al. 2016, 7.5.1). Both smooth
    the targets of two classes towards one half.

    Default: 0.1 over all classes, as in the paper; torch's function does the same.

    Trap: the two forms differ by the factor k/(k - 1): 0.1 over the wrong classes of ten is 0.111 over all.

    Trap: the training loss has a floor above 0, the entropy of the soft targets: 0.50 for ten classes at 0.1.
    """

    main: ClassVar[str | None] = "epsilon"

    epsilon: float = Field(default=0.1, gt=0, lt=1)
    """Probability mass taken from the true class, which must keep the largest probability: epsilon is below 1 over
    `all_classes`, and below (k - 1)/k over the `wrong_classes` of k classes."""
    spread: Literal["all_classes", "wrong_classes"] = "all_classes"
    """Classes over which `epsilon` is spread."""


class Adversarial(Ingredient):
    """Trains also on inputs that were changed to make the loss larger: `(1 - weight) J(x) + weight J(x')`.

    One step is the fast gradient sign method, `x' = clip(x + epsilon sign(dJ/dx))` (Goodfellow et al. 2015, arXiv
    1412.6572); several steps are projected gradient descent, `x' <- clip(x' + step_size sign(dJ/dx'))`, each time
    clipped to within epsilon of x (Madry et al. 2018, arXiv 1706.06083). The examples are computed again in every step,
    with the model in evaluation mode: dropout is off, and no moving average or gradient of a parameter changes; no
    gradient flows through the examples. x and x' are two forward passes: batch norm never mixes their statistics in one
    batch, its moving averages include both, and a norm that counts steps counts two for each step. Images stay between
    the smallest and the largest value of the data set; tables, sequences and whitened images have no bounds.

    Validation uses clean inputs; the best weights are also measured under the same attack on the test split, once:
    `test_adversarial_loss`, `test_adversarial_accuracy`.

    Default: 0.03 of the range, near the 8/255 that is usual for photographs; for handwritten digits 0.25 is usual. One
    gradient and half of the loss, as in Goodfellow et al. 2015, arXiv 1412.6572.

    Trap: robust models are usually a little worse on clean inputs: compare both metrics.

    Trap: a step takes two to three times as long, and about one plain step longer for each further gradient.
    """

    main: ClassVar[str | None] = "epsilon"

    epsilon: float = Field(default=0.03, gt=0, le=1000)
    """Largest change of any single input value, in the unit that `unit` names."""
    unit: Literal["range", "normalized"] | None = None
    """Unit of epsilon and step_size. `range`: 1 is the distance from the smallest to the largest value in the data set
    (0 to 255, say), with any normalization but `whiten`, which mixes pixels; it is only for images, and their default.
    `normalized`: the unit of the normalised inputs, a standard deviation for `standardize`; it is the default for
    tables, sequences and whitened images."""
    steps: int = Field(default=1, ge=1, le=100)
    """Number of gradients for each example (7 to 20 in Madry et al.)."""
    step_size: float | None = Field(default=None, gt=0, le=1000)
    """Length of each step; by default epsilon for one step, and 2.5 epsilon / steps, but at most epsilon, for more."""
    random_start: bool | None = None
    """Whether to begin at a random point within epsilon; by default true with more than one step. It prevents the model
    from hiding its gradient around the data points."""
    weight: float = Field(default=0.5, gt=0, le=1)
    """Share of the adversarial loss. At 1 there is no forward pass over x, and train loss and accuracy are those of
    x'."""


class Distillation(Ingredient):
    """The student also learns from the probabilities of a trained teacher: `L = (1 - weight) J + weight T^2
    KL(softmax(z_t / T) || softmax(z_s / T))`, the divergence summed over classes and averaged over rows.

    The factor T^2 keeps the soft term's gradient, `T (p_s - p_t)`, at one size whatever the temperature. The teacher is
    in evaluation mode (moving averages, no dropout), uses the normalization that it was trained with, and gets the
    student's inputs, augmented ones too; with `adversarial` it gets x, not x'. The teacher must have the same classes
    in the same order and inputs of the same shape and units.

    Default: temperature 4, in the lower part of the paper's 2 to 20, and half of the loss; the paper had the best
    results with less weight on the labels.

    Trap: a teacher that was trained with label smoothing teaches less at high temperatures (Müller et al. 2019, arXiv
    1906.02629; contested by Shen et al. 2021, arXiv 2104.00676).

    Hinton et al. 2015, arXiv 1503.02531.
    """

    main: ClassVar[str | None] = "teacher"

    teacher: CheckpointPart
    """Checkpoint of the teacher."""
    temperature: float = Field(default=4.0, gt=0, le=1000)
    """Temperature T; a higher T shows more of the teacher's probabilities of wrong classes (2 to 20 in the paper)."""
    weight: float = Field(default=0.5, gt=0, le=1)
    """Share of the teacher's part of the loss; at 1 labels are ignored."""


def add_on(kind: type[Ingredient], short: object) -> BeforeValidator:
    """Returns a validator: null and "none" switch the add-on off; a value of type `short` sets its main field."""

    def spell_out(value: object) -> object:
        return None if value in (None, "none", {"type": "none"}) else written_as(kind, value)

    return BeforeValidator(spell_out, json_schema_input_type=kind | short | Literal["none"] | None)


class ExtraTask(Ingredient):
    """A further target, learnt together with the data set's own from the same hidden layers, by another output layer.

    The loss is `L = sum_q w_q L_q` over the targets q, where L_q is the mean over the rows of the batch with a label of
    q, and 0 if there is none: rows without a label count neither in a loss nor in a metric. The target of the data set
    has weight 1. Numbers are standardised on the training rows, so that squared errors are about as large as a
    cross-entropy; the weights can even out other differences of scale. A bare string is the target. A column that is a
    target is not an input.

    Default: the same weight as the target of the data set, and the usual loss for classes or numbers.

    Trap: all tasks share the statistics of norms over the batch.

    Caruana 1997, Multitask Learning.
    """

    main: ClassVar[str | None] = "target"

    target: str = Field(min_length=1, max_length=256)
    """A column of the table, or one of the further targets that the data set's card lists."""
    weight: float = Field(default=1.0, gt=0, le=1e6)
    """Weight w_q; the target of the data set has 1."""
    loss: Loss | None = None
    """Loss of this target; by default `cross_entropy` for classes and `squared_error` for numbers; see
    `objective.loss`."""


def listed(value: object) -> object:
    """Converts tasks to a tuple: one task is short for a list of one, null and "none" for an empty list."""
    items = value if isinstance(value, list | tuple) else [] if value in (None, "none") else [value]
    return tuple(written_as(ExtraTask, item) for item in items)


def as_class_weights(value: object) -> object:
    """Converts null to "none". Raises ValueError for what is not an object of weights, because pydantic would name both
    alternatives of the union in the pointer."""
    if value is None or value in ("none", "balanced"):
        return value or "none"
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_CLASSES:
        raise ValueError("should be 'none', 'balanced', or an object from class name to weight")
    for name, weight in value.items():
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not 0 < weight <= MAX_WEIGHT or not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"the weight of {name[:MAX_NAME]!r} should be a number above 0, at most {MAX_WEIGHT:,}")
    return value


MAX_CLASSES = 1000
MAX_NAME = 256
MAX_WEIGHT = 1_000_000
Weight = Annotated[float, Field(gt=0, le=MAX_WEIGHT)]
ClassName = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
ClassWeights = Annotated[
    Literal["none", "balanced"] | Annotated[dict[ClassName, Weight], Field(min_length=1, max_length=MAX_CLASSES)],
    BeforeValidator(
        as_class_weights, json_schema_input_type=Literal["none", "balanced"] | dict[ClassName, Weight] | None
    ),
]


class Objective(Ingredient):
    """The mean over the batch of the loss of each sample, with add-ons.

    With class weights it is the weighted mean `sum_ic w_c q_ic (-log p_ic) / sum_ic w_c t_ic` over the rows i of the
    batch and the classes c, where t are the labels and q the labels after smoothing, as in torch's `cross_entropy` with
    `weight`; `mixup` and `cutmix` give t that are shares. An adversary and the labels' part of a distillation use this
    loss; the teacher's part has no weights.

    Default: the usual loss for classes or numbers, without add-ons.

    Trap: different objectives have different scales: compare accuracies or errors instead.

    Trap: class weights make rare classes more probable than they are. `validation_loss` has no weights, so that recipes
    can be compared, and gets worse: monitor `validation_balanced_accuracy`, `validation_f1` or `validation_auroc`.
    """

    main: ClassVar[str | None] = "loss"
    later_fields: ClassVar[frozenset[str]] = frozenset({"class_weights"})

    loss: Loss | None = None
    """Loss of a sample; by default `cross_entropy` for classes and `squared_error` for numbers.

    `binary_cross_entropy`: for two classes, with one output, the log of their odds. `poisson`: for counts and other
    numbers from 0 up, half the deviance exp(y) - t y + t log t - t from a model that predicts exp(y); the output's bias
    begins at the log of the mean target.
    """
    class_weights: ClassWeights = "none"
    """Weights of the classes in the training loss, for a single target: an object from class name to weight, where a
    class without one has 1, or `balanced`, n / (k n_c) for class c with n_c of the n training rows, if k classes have
    rows there (the same as scikit-learn's `compute_class_weight`; King & Zeng 2001, Political Analysis 9)."""
    label_smoothing: Annotated[LabelSmoothing | None, add_on(LabelSmoothing, float)] = None
    """Label smoothing, for classes."""
    adversarial: Annotated[Adversarial | None, add_on(Adversarial, float)] = None
    """Adversarial training, for any loss."""
    distillation: Annotated[Distillation | None, add_on(Distillation, str)] = None
    """Distillation from a teacher, for classes."""
    tasks: Annotated[
        tuple[ExtraTask, ...],
        BeforeValidator(listed, json_schema_input_type=list[ExtraTask | str] | ExtraTask | str | None),
        Field(max_length=32),
    ] = ()
    """Further targets to learn at the same time. Label smoothing applies to all targets that are classes."""


ObjectivePart = Annotated[Objective, part(Objective)]
