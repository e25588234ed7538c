"""What the task measures that applies the runs of an arm of an experiment as one model."""

from typing import Literal

from bakehouse.model import JsonObject, Model
from bakehouse.recipe.checkpoint import SavedCheckpoint

KIND = "ensemble"
"""The name of the task that measures an ensemble."""
SECONDS = 60
"""Limit on the time of the task."""

Mean = Literal["arithmetic", "geometric"]
Metrics = dict[str, float | None]


class EnsembleTask(Model):
    """The document of the task."""

    recipe: JsonObject
    """The canonical recipe of a member, which differs from that of the others only in its seed."""
    fingerprint: str
    mean: Mean
    members: list[SavedCheckpoint]


class EnsembleMetrics(Model):
    """The metrics of an ensemble by their names; null if a metric is not finite."""

    validation: Metrics
    test: Metrics
