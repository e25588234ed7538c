"""How a run is measured. Validation is always clean: no augmentation, no smoothing, evaluation mode."""

from typing import Annotated, ClassVar, Literal

from bakehouse.recipe.ingredient import Ingredient, part

Monitor = Literal[
    "validation_loss", "validation_accuracy", "validation_mean_absolute_error", "validation_r2"
]  # fmt: skip

HIGHER_IS_BETTER: frozenset[Monitor] = frozenset({"validation_accuracy", "validation_r2"})
"""All others are losses and errors: better when lower, 0 at best."""


class Evaluation(Ingredient):
    """What early stopping and `best` look at."""

    main: ClassVar[str | None] = "monitor"

    monitor: Monitor = "validation_loss"
    """Losses and errors are better when lower, accuracy and R^2 when higher. Never the test split."""


EvaluationPart = Annotated[Evaluation, part(Evaluation)]
