"""Early stopping: rules for ending a run, and for the epoch whose weights are kept."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.ingredient import Ingredient, Off, one

MinEpochs = Annotated[int, Field(ge=0, le=100_000)]
StripLength = Annotated[int, Field(ge=1, le=1000)]


class Patience(Ingredient):
    """Stops when the monitor has not improved for `patience` epochs in a row; the best epoch is kept.

    Default: 10 epochs; many libraries stop after 0 to 3, and validation often worsens for longer and recovers.

    Trap: with few validation rows, chance decides which epoch is best.

    Goodfellow et al. 2016, algorithm 7.1.
    """

    main: ClassVar[str | None] = "patience"

    type: Literal["patience"] = "patience"
    patience: int = Field(default=10, ge=1, le=100_000)
    """Number of epochs without improvement after which the run ends."""
    min_delta: float = Field(default=0.0, ge=0)
    """A change counts as an improvement only if it is larger than this."""
    min_epochs: MinEpochs = 0
    """Number of epochs before which the run never stops early."""


class GeneralizationLoss(Ingredient):
    """Stops when the monitor E is too far above its minimum so far: `GL = 100 (E / E_min - 1) > alpha`.

    Default: 5, the paper's value that stops latest.

    Trap: a single bad epoch ends the run; with few validation rows use `patience`.

    Prechelt 1998, Early Stopping - But When?, GL.
    """

    main: ClassVar[str | None] = "alpha"

    type: Literal["generalization_loss"] = "generalization_loss"
    alpha: float = Field(default=5.0, gt=0, le=1e6)
    """Limit on GL, in percent above the minimum (1 to 5 in the paper)."""
    min_epochs: MinEpochs = 0
    """Number of epochs before which the run never stops early."""


class ProgressQuotient(Ingredient):
    """Stops at the end of a strip of epochs when the generalization loss is large compared with the progress of
    training: `GL / P > alpha`, where `P = 1000 (mean train loss of the strip / its minimum - 1)`.

    Default: 1, from the paper's range 0.5 to 3, with the paper's strips of 5 epochs.

    Trap: a noisy train loss counts as progress, so that strong dropout or augmentation may prevent the run from ever
    stopping.

    Prechelt 1998, Early Stopping - But When?, PQ.
    """

    main: ClassVar[str | None] = "alpha"

    type: Literal["progress_quotient"] = "progress_quotient"
    alpha: float = Field(default=1.0, gt=0, le=1e6)
    """Limit on GL / P, in percent over per mille (0.5 to 3 in the paper)."""
    strip_length: StripLength = 5
    """Number of epochs in a strip."""
    min_epochs: MinEpochs = 0
    """Number of epochs before which the run never stops early."""


class SuccessiveIncreases(Ingredient):
    """Stops at the end of a strip of epochs when the monitor is worse than at the end of the previous strip for the
    `strips`-th time in a row.

    Default: three strips, from the paper's range 2 to 8, with the paper's strips of 5 epochs.

    Trap: one better strip resets the count, and a constant monitor is never worse.

    Prechelt 1998, Early Stopping - But When?, UP.
    """

    main: ClassVar[str | None] = "strips"

    type: Literal["successive_increases"] = "successive_increases"
    strips: int = Field(default=3, ge=1, le=100)
    """Number of worse strips in a row after which the run ends (2 to 8 in the paper)."""
    strip_length: StripLength = 5
    """Number of epochs in a strip."""
    min_epochs: MinEpochs = 0
    """Number of epochs before which the run never stops early."""


AnyEarlyStopping = Off | Patience | GeneralizationLoss | ProgressQuotient | SuccessiveIncreases
EarlyStopping = Annotated[AnyEarlyStopping, Field(discriminator="type"), one(AnyEarlyStopping, number=Patience)]


def why_unfit(stopping: AnyEarlyStopping, monitor: str) -> str | None:
    """Returns why a criterion cannot judge a monitor, or None if it can."""
    if isinstance(stopping, GeneralizationLoss | ProgressQuotient) and is_higher_better(monitor):
        return f"{stopping.type} compares losses, and {monitor} is not a loss"
    return None
