"""Optimizers. Weight decay is a regularizer, not a setting of an optimizer."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from bakehouse.model import JsonObject
from bakehouse.recipe.ingredient import Ingredient, as_tuple, one

DECAY_HINT = {"weight_decay": "decay is a regularizer: l2 (in the gradient) or weight_decay (decoupled)"}
Beta = Annotated[float, Field(ge=0, lt=1)]


class Sgd(Ingredient):
    """Stochastic gradient descent with momentum: `v <- momentum v + g; w <- w - lr v`.

    Default: a learning rate of 0.05 with momentum 0.9 is a careful start with a norm; without a norm, begin lower.

    Trap: momentum multiplies the step: with momentum 0.9, a constant gradient moves weights by ten times lr.

    Sutskever et al. 2013, ICML.
    """

    main: ClassVar[str | None] = "lr"
    hints: ClassVar[Mapping[str, str]] = DECAY_HINT

    type: Literal["sgd"] = "sgd"
    lr: float = Field(default=0.05, gt=0, le=1e3)
    """Learning rate before the schedule."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum; 0 is plain gradient descent."""
    nesterov: bool = False
    """Whether to use Nesterov's form, w <- w - lr (g + momentum v)."""

    @model_validator(mode="after")
    def nesterov_has_momentum(self) -> "Sgd":
        """Raises ValueError for Nesterov's form without momentum."""
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Adam(Ingredient):
    """Divides a moving mean of the gradient by its moving root mean square.

    `m <- beta_1 m + (1 - beta_1) g; v <- beta_2 v + (1 - beta_2) g^2; w <- w - lr m^ / (sqrt(v^) + eps)`, where m^ and
    v^ are m and v over 1 - beta^t.

    Default: the paper's values, which are also torch's.

    Trap: it has no weight decay; `"adamw"` is short for `adam` and `weight_decay`.

    Kingma & Ba 2015, arXiv 1412.6980.
    """

    main: ClassVar[str | None] = "lr"
    hints: ClassVar[Mapping[str, str]] = DECAY_HINT

    type: Literal["adam"] = "adam"
    lr: float = Field(default=1e-3, gt=0, le=1e3)
    """Learning rate before the schedule."""
    betas: Annotated[tuple[Beta, Beta], BeforeValidator(as_tuple, json_schema_input_type=list[Beta])] = (0.9, 0.999)
    """Decay rates of the moving first and second moments."""
    eps: float = Field(default=1e-8, gt=0, le=1)
    """Number added to the root of the second moment."""


class Rmsprop(Ingredient):
    """Divides the gradient by its moving root mean square: `s <- alpha s + (1 - alpha) g^2; w <- w - lr g / (sqrt(s) +
    eps)`.

    Default: torch's values; alpha is 0.9 in the lecture.

    Trap: each weight moves by about lr a step, as with adam, whose default is a tenth of this one.

    Tieleman & Hinton 2012, Neural Networks for Machine Learning, lecture 6.5; centred as in Graves 2013, arXiv
    1308.0850, section 4.2.
    """

    main: ClassVar[str | None] = "lr"
    hints: ClassVar[Mapping[str, str]] = DECAY_HINT

    type: Literal["rmsprop"] = "rmsprop"
    lr: float = Field(default=0.01, gt=0, le=1e3)
    """Learning rate before the schedule."""
    alpha: float = Field(default=0.99, ge=0, lt=1)
    """Decay rate of the moving mean square (0.9 in the lecture)."""
    eps: float = Field(default=1e-8, gt=0, le=1)
    """Number added to the root of the mean square."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Momentum of the divided gradients: v <- momentum v + g / (sqrt(s) + eps); w <- w - lr v."""
    centered: bool = False
    """Whether to divide by sqrt(s - m^2), where m is the moving mean of the gradient g."""


ADAMW_OBJECT = {"type": "object", "properties": {"type": {"const": "adamw"}}, "required": ["type"]}
Adamw = Literal["adamw"] | Annotated[JsonObject, WithJsonSchema(ADAMW_OBJECT)]
"""Type of `adamw`, which is short for `adam` and a decoupled `weight_decay`; the recipe expands it."""

AnyOptimizer = Sgd | Adam | Rmsprop
Optimizer = Annotated[AnyOptimizer, Field(discriminator="type"), one(AnyOptimizer, short=Adamw)]
