"""Defines what workers measure of their trainings: how much work an epoch was, and how long it took."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import ClassVar
from zlib import crc32

from pydantic import ValidationError

from bakehouse.model import Model
from bakehouse.plan.estimate import EVALUATED_ROWS, passes
from bakehouse.plan.plan import Plan
from bakehouse.recipe.recipe import canonical_text, digest

# The fields of a recipe that change how much there is to do, or nothing, but not what is done with a row.
AMOUNTS = ("dataset", "seed", "batch_size", "epochs", "early_stopping", "time_budget_seconds")
# The gradients of a layer take about twice as many operations as its outputs.
PASSES_OF_STEP = 3


class Work(Model):
    """The amount of work of a training, as far as it is known before the first step."""

    ingredients: str
    """Digest of the parts of the recipe that decide what is done with a row."""
    architecture: str
    dataset: str
    epochs: int
    """Maximum number of epochs."""
    batches: int
    """Number of batches of an epoch, with those of the validation."""
    rows: int
    """Number of rows of an epoch, with those of the validation."""
    operations: int
    """Number of floating-point operations of an epoch."""
    early_stopping: str | None
    """The setting of early stopping as JSON; null if the run cannot stop early."""
    budget_seconds: float | None
    """The recipe's limit on the running time."""


class Measurement(Model):
    """The time that the trained epochs of a run took on a device."""

    SLOTS_OF_WORK: ClassVar[int] = 64
    SLOTS_OF_RUN: ClassVar[int] = 4

    run: str
    device: str
    """The device class of the worker."""
    work: Work
    epoch_seconds: float
    """Mean time of an epoch with its validation, its diagnostics and its writes."""
    other_seconds: float
    """Time of an attempt besides its epochs: loading, the first epoch's delay, and the measurements on the test
    split."""
    stopped_after: int | None = None
    """The number of epochs after which early stopping ended the run; null if it did not."""

    @property
    def slot(self) -> str:
        """Names the place in which the measurement is kept, of which a device has 256; a new one replaces the one that
        is there. Many runs of one recipe take only a few places, so that they do not replace those of other recipes."""
        work = f"{self.work.ingredients} {self.work.dataset} {self.work.rows} {self.work.batches}"
        return f"{crc32(work.encode()) % self.SLOTS_OF_WORK}:{crc32(self.run.encode()) % self.SLOTS_OF_RUN}"


def read_measurements(stored: Iterable[bytes | str]) -> Iterator[Measurement]:
    """Yields the measurements in JSON, without those of other versions that this one cannot read."""
    for measured in stored:
        with suppress(ValidationError):
            yield Measurement.model_validate_json(measured)


def work_of(plan: Plan) -> Work:
    """Returns the amount of work of a plan."""
    recipe = plan.recipe
    document = recipe.without_names()
    stopping = document["early_stopping"]
    flops = max(1, plan.estimate.flops_per_sample)
    validation = plan.sizes.validation
    return Work(
        ingredients=digest({name: value for name, value in document.items() if name not in AMOUNTS})[:16],
        architecture=recipe.architecture.type,
        dataset=recipe.dataset.id,
        epochs=recipe.epochs,
        batches=plan.steps_per_epoch + -(-validation // EVALUATED_ROWS),
        rows=plan.epoch_rows + validation,
        operations=flops * (PASSES_OF_STEP * passes(recipe) * plan.epoch_rows + validation),
        early_stopping=None if stopping["type"] == "none" else canonical_text(stopping),
        budget_seconds=recipe.time_budget_seconds,
    )
