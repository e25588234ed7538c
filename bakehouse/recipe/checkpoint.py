"""How a recipe names weights that another run has saved."""

from typing import Annotated, ClassVar

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, part


class Checkpoint(Ingredient):
    """A saved checkpoint of a run that is over; a bare string is the run, which means its best.

    The digest is filled in when the recipe is submitted, so that the canonical recipe names these very weights.
    """

    main: ClassVar[str | None] = "run"

    run: str = Field(pattern=r"^run_[0-9a-z]{12}$")
    """The run's id. It cannot be deleted while a run that builds on it is kept."""
    epoch: int | None = Field(default=None, ge=1)
    """Of the checkpoint; null is the run's best."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Digest of `model.safetensors`. Null is filled in; another one than the run has is refused."""


CheckpointPart = Annotated[Checkpoint, part(Checkpoint)]
"""A field that names a checkpoint."""
