"""The recipe: the root of the recipe language."""

import hashlib
import json
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from bakehouse.model import JsonObject
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

MAX_NAME_CHARACTERS = 200
Found = TypeVar("Found", bound=Ingredient)
LabelKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s:=]+$")]
LabelValue = Annotated[str, Field(max_length=256)]


class Recipe(Ingredient):
    """Describes what to train and how. Only `dataset` and `architecture` are required.

    Short forms: a string is a variant with its defaults, a number sets a variant's main field, one object stands for a
    list of one, null or "none" switches a family off.
    """

    version: Literal[1] = 1
    """Version of the recipe language; it increases if a default changes."""
    name: str | None = Field(default=None, min_length=1, max_length=MAX_NAME_CHARACTERS)
    """Name of the run, for people; not part of `recipe_sha256`."""
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=32)
    """Labels by which runs can be filtered; not part of `recipe_sha256`."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of all random numbers except those of the split: initialisation, order, augmentation, dropout."""
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
    """Number of rows in a step; if the last batch of an epoch is smaller, it is used too."""
    epochs: int = Field(default=50, ge=1, le=100_000)
    """Maximum number of epochs; early stopping may end the run sooner."""
    early_stopping: EarlyStopping = Patience()
    evaluation: EvaluationPart = Evaluation()
    diagnostics: Diagnostics = ()
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16` computes layers in 16 bits (autocast); weights stay in 32 bits."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether to use torch.compile. `auto` means off: compiling takes seconds, and small models get slower."""
    time_budget_seconds: float | None = Field(default=None, gt=0, le=1e8)
    """Limit on the running time over all attempts, after which the run ends and keeps its best weights."""

    @model_validator(mode="before")
    @classmethod
    def spell_out_adamw(cls, value: object) -> Any:
        """Expands `adamw` to `adam` and a decoupled `weight_decay`."""
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
        """Returns the recipe's ingredients of a kind, each by its JSON Pointer."""
        found: dict[str, Found] = {}
        # Without a lookup of each field in the class: checks and advice ask twenty times a plan.
        for name, value in vars(self).items():
            if isinstance(value, kind):
                found[f"/{name}"] = value
            elif isinstance(value, tuple):
                found |= {f"/{name}/{index}": item for index, item in enumerate(value) if isinstance(item, kind)}
        return found

    def canonical(self) -> JsonObject:
        """Returns the recipe as JSON with every default spelt out; submitting it gives the same run."""
        return self.model_dump(mode="json")

    def sha256(self) -> str:
        """Returns the digest of everything except `name` and `labels`."""
        return digest(self.without_names())

    def group_sha256(self) -> str:
        """Returns the digest of everything except `name`, `labels` and `seed`."""
        document = self.without_names()
        del document["seed"]
        return digest(document)

    def without_names(self) -> JsonObject:
        """Returns the recipe as JSON without what does not change the training: `name`, `labels`, and the defaults of
        fields that were added to the language later."""
        document = self.model_dump(mode="json", exclude={"name", "labels"})
        for family, value in vars(self).items():
            if isinstance(value, Ingredient):
                leave_out_later(value, document[family])
            elif isinstance(value, tuple):
                for item, described in zip(value, document[family], strict=True):
                    leave_out_later(item, described)
        return document


def leave_out_later(part: Ingredient, described: JsonObject) -> None:
    """Deletes the fields of a part that were added later and have their default."""
    for name, default in later_defaults(type(part)).items():
        if getattr(part, name) == default:
            del described[name]


@cache
def later_defaults(kind: type[Ingredient]) -> JsonObject:
    """Returns the defaults of the fields of a class that were added later."""
    return {name: kind.model_fields[name].default for name in kind.later_fields}


class SeededDigest:
    """Computes `Recipe.sha256` of recipes that differ from a given one only in name, labels and seed; `group` is their
    common `Recipe.group_sha256`."""

    def __init__(self, recipe: Recipe) -> None:
        document = recipe.without_names()
        before = canonical_text({name: value for name, value in document.items() if name < "seed"})
        after = canonical_text({name: value for name, value in document.items() if name > "seed"})
        self._before = hashlib.sha256(f'{before[:-1]},"seed":'.encode())
        self._after = f",{after[1:]}"
        self.group = hashlib.sha256(f"{before[:-1]},{after[1:]}".encode()).hexdigest()

    def sha256(self, seed: int) -> str:
        """Returns the digest of the recipe with this seed."""
        content = self._before.copy()
        content.update(f"{seed}{self._after}".encode())
        return content.hexdigest()


def digest(document: JsonObject) -> str:
    """Returns the sha256 of a document's canonical text."""
    return hashlib.sha256(canonical_text(document).encode()).hexdigest()


def canonical_text(document: JsonObject) -> str:
    """Returns JSON with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
