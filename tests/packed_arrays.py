"""The arrays of packed sets, with targets that a test names."""

from pathlib import Path
from typing import Any

from bakehouse.data.loading import Arrays, load
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.targets import resolve_targets
from bakehouse.recipe.objective import Objective


def load_arrays(folder: Path, target: str | None = None, **objective: Any) -> Arrays:
    """The arrays for a recipe with this target and objective."""
    return load(folder, resolve_targets(read_card(folder), target, Objective.model_validate(objective)))
