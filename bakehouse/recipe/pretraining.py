"""Sources of a run's initial weights."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.checkpoint import CheckpointPart
from bakehouse.recipe.ingredient import Ingredient, Off, one


class Transfer(Ingredient):
    """The first layers begin with the weights of another run, the others with random weights; then all are trained.

    A layer is a convolution, a fully-connected or a recurrent layer with the norms that follow it, their gamma, beta
    and moving averages included, counted in the plan's order; activation and dropout are those of this recipe. The
    optimizer starts without moments.

    Default: all layers but the output layer, which has the other run's classes, and none frozen: in the paper almost
    any number of copied layers, all trained further, gave better networks than random weights.

    Trap: inputs are normalised with the statistics of the other run's data set, not with this one's. The copied weights
    expect them; `dataset.normalization` becomes the other run's, and another one is refused.

    Trap: frozen layers in the middle of a network had adapted to the layers after them, which now begin with random
    weights.

    Yosinski et al. 2014, arXiv 1411.1792.
    """

    type: Literal["transfer"] = "transfer"
    checkpoint: CheckpointPart
    """The model whose layers are copied."""
    layers: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    """Number of layers to copy, from the input on; null means all but the output layer. They must be of the same kind
    and size in both models. `all` needs the same classes in the same order; in a regression, the output layer is copied
    with the mean and deviation of the other run's targets, by which targets are then standardised."""
    freeze: bool = False
    """Whether the copied layers stay as they are: no step, decay, noise or constraint moves them, and their norms use
    moving averages also in training and do not update them. Dropout inside them acts as usual."""


class Hints(Ingredient):
    """FitNets: a thin and deep student first learns the outputs of one layer of a trained teacher, then the task.

    Stage 1 lowers `1/2 ||u(x) - r(v(x))||^2`, summed over the features and averaged over the rows, where u is the
    teacher's hint layer, v the student's guided layer and r a regressor with the hint layer's nonlinearity (a maxout of
    as many pieces for maxout): a convolution without padding whose filters are as large as the guided map is larger
    than the hint map, plus 1, or a fully-connected layer. RMSprop trains r and the student's layers up to the guided
    one; of the recipe, only data, batches, augmentation, dropout and precision apply. The weights with the lowest
    validation loss are kept, and r is discarded. These epochs come before the run's and are not counted in `epochs`;
    each is logged as a diagnostic `hints`.

    Stage 2 is the run with `lambda H(softmax(z_t / T), softmax(z_s / T))` added to its loss; lambda goes linearly from
    `coefficient` to `final_coefficient` over the run's epochs. The teacher is in evaluation mode, and gets the
    student's inputs in the normalization that it was trained with. The teacher needs inputs of the same shape and
    units, and, unless lambda is 0, the same classes in the same order.

    A layer is a convolution or a fully-connected layer with the norm and activation after it, counted in the plan's
    order as for `transfer`; its outputs are those of its activation.

    Default: temperature, lambda and RMSprop are as in the paper's code for CIFAR-10, and the layers are the middle
    ones. Stage 1 has at most 10 epochs where the paper has 500, since a run here has 50.

    Trap: a guided layer that is too deep leaves the student too little freedom.

    Trap: as in the paper, lambda has no factor T^2, unlike the weight of `distillation`.

    Romero et al. 2015, arXiv 1412.6550.
    """

    main: ClassVar[str | None] = "teacher"

    type: Literal["hints"] = "hints"
    teacher: CheckpointPart
    """The teacher."""
    hint_layer: int | None = Field(default=None, ge=1)
    """Layer of the teacher, counted from 1 at the inputs; by default the middle one of the layers before the output
    layer (the earlier of two)."""
    guided_layer: int | None = Field(default=None, ge=1)
    """Layer of the student; its map must be at least as large as the hint layer's. By default the middle one."""
    epochs: int = Field(default=10, ge=1, le=100_000)
    """Maximum number of epochs of stage 1 (500 in the paper)."""
    patience: int = Field(default=5, ge=1, le=100_000)
    """Number of epochs without a lower validation loss after which stage 1 ends (100 in the paper)."""
    lr: float = Field(default=0.005, gt=0, le=1000)
    """Learning rate of stage 1 (0.005 for CIFAR-10 and 0.0005 for MNIST in the paper's code)."""
    alpha: float = Field(default=0.9, ge=0, lt=1)
    """RMSprop's decay of the mean squared gradient in stage 1."""
    temperature: float = Field(default=3.0, gt=0, le=1000)
    """Temperature T of stage 2."""
    coefficient: float = Field(default=4.0, ge=0, le=1e6)
    """Value of lambda in the run's first epoch."""
    final_coefficient: float = Field(default=1.0, ge=0, le=1e6)
    """Value of lambda in the last epoch, if the run does not stop earlier."""


AnyPretraining = Off | Transfer | Hints
Pretraining = Annotated[AnyPretraining, Field(discriminator="type"), one(AnyPretraining)]
