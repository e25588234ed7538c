"""When to stop, and with it which epoch's weights are kept."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, Off, one


class Patience(Ingredient):
    """Stops when the monitor has not improved for `patience` epochs in a row; the best epoch is kept.

    Goodfellow et al. 2016, algorithm 7.1.
    """

    main: ClassVar[str | None] = "patience"

    type: Literal["patience"] = "patience"
    patience: int = Field(default=10, ge=1, le=100_000)
    """Epochs without improvement before the run ends."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest change that counts as an improvement (strictly more than this)."""
    min_epochs: int = Field(default=0, ge=0, le=100_000)
    """Never stops before this many epochs."""


AnyEarlyStopping = Off | Patience
EarlyStopping = Annotated[AnyEarlyStopping, Field(discriminator="type"), one(AnyEarlyStopping, number=Patience)]
