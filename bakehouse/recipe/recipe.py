"""The recipe: the root of the language."""

import hashlib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from bakehouse.recipe.architecture import Architecture
from bakehouse.recipe.augmentation import Augmentations
from bakehouse.recipe.curriculum import CurriculumPart
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.diagnostics import Diagnostics
from bakehouse.recipe.dropout import Dropouts
from bakehouse.recipe.early_stopping import EarlyStopping, Patience
from bakehouse.recipe.evaluation import Evaluation, EvaluationPart
from bakehouse.recipe.ingredient import Ingredient, Off, part
from bakehouse.recipe.norm import Norm
from bakehouse.recipe.objective import Objective, ObjectivePart
from bakehouse.recipe.optimizer import Adam, Optimizer
from bakehouse.recipe.pretraining import Pretraining
from bakehouse.recipe.regularizer import Regularizers
from bakehouse.recipe.schedule import Constant, Schedule

Found = TypeVar("Found", bound=Ingredient)
LabelKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s:=]+$")]
LabelValue = Annotated[str, Field(max_length=256)]


class Recipe(Ingredient):
    """What to train. Only `dataset` and `architecture` are required.

    Short forms: a string is a variant with its defaults, a number is its main field, one object is short for a list of
    one, null or "none" is off.
    """

    version: Literal[1] = 1
    """The version of this language; a changed default makes a new version."""
    name: str | None = Field(default=None, min_length=1, max_length=200)
    """For people; not part of `recipe_sha256`."""
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=32)
    """For filters; not part of `recipe_sha256`."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of everything random but the split: initialisation, order, augmentation, dropout."""
    dataset: Annotated[Dataset, part(Dataset)]
    architecture: Architecture
    norm: Norm = Off()
    dropout: Dropouts = ()
    augmentation: Augmentations = ()
    regularizer: Regularizers = ()
    objective: ObjectivePart = Objective()
    pretraining: Pretraining = Off()
    curriculum: CurriculumPart = Off()
    optimizer: Optimizer = Adam()
    schedule: Schedule = Constant()
    batch_size: int = Field(default=64, ge=1, le=65_536)
    """Rows in a step; the last, smaller batch of an epoch is kept."""
    epochs: int = Field(default=50, ge=1, le=100_000)
    """Maximum number of epochs; early stopping may end the run sooner."""
    early_stopping: EarlyStopping = Patience()
    evaluation: EvaluationPart = Evaluation()
    diagnostics: Diagnostics = ()
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16` computes layers in 16 bits (autocast); weights stay in 32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile; `auto` is off: compiling takes seconds before the first step, and small models get slower."""
    time_budget_seconds: float | None = Field(default=None, gt=0, le=1e8)
    """Maximum running time over all attempts; then the run ends and keeps its best weights."""

    @model_validator(mode="before")
    @classmethod
    def spell_out_adamw(cls, value: Any) -> Any:
        """`adamw` is short for `adam` and a decoupled `weight_decay`."""
        if not isinstance(value, dict):
            return value
        optimizer = value.get("optimizer")
        adam = {"type": optimizer} if isinstance(optimizer, str) else optimizer
        if not isinstance(adam, dict) or adam.get("type") != "adamw":
            return value
        decay = {"type": "weight_decay", "coefficient": adam.get("weight_decay", 0.01)}
        regularizer = value.get("regularizer", [])
        others = regularizer if isinstance(regularizer, list) else [regularizer]
        rest = {key: item for key, item in adam.items() if key != "weight_decay"}
        return {**value, "optimizer": {**rest, "type": "adam"}, "regularizer": [*others, decay]}

    def find(self, kind: type[Found]) -> dict[str, Found]:
        """Its ingredients of a kind, each by its JSON Pointer."""
        found: dict[str, Found] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, kind):
                found[f"/{name}"] = value
            if isinstance(value, tuple):
                found |= {f"/{name}/{index}": item for index, item in enumerate(value) if isinstance(item, kind)}
        return found

    def canonical(self) -> dict[str, Any]:
        """JSON with every default spelt out; POSTing it gives the same run."""
        return self.model_dump(mode="json")

    def sha256(self) -> str:
        """Digest of everything but `name` and `labels`."""
        return digest(self.model_dump(mode="json", exclude={"name", "labels"}))

    def group_sha256(self) -> str:
        """The same digest without the seed."""
        return digest(self.model_dump(mode="json", exclude={"name", "labels", "seed"}))


def digest(document: dict[str, Any]) -> str:
    """sha256 of JSON with sorted keys and no spaces."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
