"""Shuffles: the order in which an epoch takes the training rows."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bakehouse.recipe.ingredient import Ingredient, one


class Full(Ingredient):
    """Draws a new order of all rows for each epoch.

    Trap: of a set that is larger than memory, each row is read from another place of the disk, which a hard disk or a
    network disk does a hundred times as slowly as it reads in order: see `blocks`.

    Bottou 2012, Stochastic Gradient Descent Tricks.
    """

    type: Literal["full"] = "full"


class Blocks(Ingredient):
    """Draws a new order of blocks of consecutive rows for each epoch, and then shuffles the rows of `mixed` blocks at a
    time, so that a set that is larger than memory is read nearly in order.

    The order depends on the seed, the epoch and the number of rows alone: it is the same whether the set fits memory or
    not. The next `mixed` blocks are read ahead while the present ones are trained on, so that memory should hold twice
    as many rows as `mixed` blocks have.

    Default: 64 blocks of 256 rows, so that a batch has rows of many places in the file, although files are often sorted
    by class.

    Trap: with few blocks at a time, the batches of a sorted file have few classes, and batch statistics are those of
    these classes.

    Meng et al. 2019, Convergence Analysis of Distributed Stochastic Gradient Descent with Shuffling.
    """

    main: ClassVar[str | None] = "rows"

    type: Literal["blocks"] = "blocks"
    rows: int = Field(default=256, ge=1, le=1_000_000)
    """Number of rows in a block."""
    mixed: int = Field(default=64, ge=1, le=100_000)
    """Number of blocks whose rows are shuffled together."""


AnyShuffle = Full | Blocks
Shuffle = Annotated[AnyShuffle, Field(discriminator="type"), one(AnyShuffle)]
