"""The objective: what a training step lowers."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bakehouse.recipe.ingredient import Ingredient, part, written_as

Loss = Literal["cross_entropy", "binary_cross_entropy", "squared_error", "poisson"]


class LabelSmoothing(Ingredient):
    """Soft targets instead of one-hot ones, in training only; validation is measured without.

    `all_classes`: 1 - epsilon + epsilon/k for the right class and epsilon/k for each other (Szegedy et al.
    2016, arXiv 1512.00567); `wrong_classes`: 1 - epsilon and epsilon/(k - 1) (Goodfellow et al. 2016, 7.5.1). Both
    smooth two classes towards one half.
    """

    main: ClassVar[str | None] = "epsilon"

    epsilon: float = Field(default=0.1, gt=0, lt=1)
    """Probability mass taken from the right class; below (k - 1)/k."""
    spread: Literal["all_classes", "wrong_classes"] = "all_classes"
    """Who gets it."""


def smoothing(value: object) -> object:
    """Null and "none" are off, a number is epsilon."""
    return None if value in (None, "none", {"type": "none"}) else written_as(LabelSmoothing, value)


class Objective(Ingredient):
    """The mean over the batch of a loss a sample, with its add-ons."""

    main: ClassVar[str | None] = "loss"

    loss: Loss | None = None
    """By default `cross_entropy` for classes and `squared_error` for numbers.

    `binary_cross_entropy`: two classes, told apart by one output, the log of their odds. `poisson`: counts and other
    numbers from 0 up, half their deviance exp(y) - t y + t log t - t from a model that predicts exp(y); the output's
    bias begins at the log of the mean target."""
    label_smoothing: Annotated[
        LabelSmoothing | None,
        BeforeValidator(smoothing, json_schema_input_type=LabelSmoothing | float | Literal["none"] | None),
    ] = None
    """For classes."""


ObjectivePart = Annotated[Objective, part(Objective)]
