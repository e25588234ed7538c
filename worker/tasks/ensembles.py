"""Measures the best weights of several runs as one model, on the validation and the test split of their recipe."""

from collections.abc import Generator, Iterator, Sequence
from math import isfinite

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from bakehouse.data.catalog import Catalog
from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.artifacts import Artifacts, Damaged
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.settings import Settings
from bakehouse.tasks.ensembles import EnsembleMetrics, EnsembleTask, Mean
from worker.attempt.sources import read_weights
from worker.data.dataset import Data, load_data
from worker.evaluation.evaluate import Metrics, RunningTotals, measure
from worker.evaluation.standalone.ensemble import Ensemble
from worker.model.build import build_model
from worker.tasks.packed_sets import PACKING_SECONDS, find_packed


class MemberLost(Exception):
    """Raised if the weights of a member are missing or damaged."""

    def __init__(self, named: SavedCheckpoint, why: Exception) -> None:
        super().__init__(
            f"The weights of {named.run} cannot be used: {why}. Restore them from a backup, or retry the run to train "
            "the same weights again."
        )


def ensemble(settings: Settings, document: JsonObject) -> bytes:
    """Returns the metrics of an ensemble as JSON."""
    task = EnsembleTask.model_validate(document)
    catalog = Catalog(settings)
    recipe = read_recipe(task.recipe)
    folder, card = find_packed(catalog, recipe.dataset.id, task.fingerprint)
    plan = make_plan(recipe, card)
    folder = catalog.sized_folder(recipe.dataset.id, plan.picture_size, wait_seconds=PACKING_SECONDS)
    members = list(read_members(plan, task.members, open_artifacts(settings)))
    data = load_data(plan, folder, torch.device("cpu"))
    return measure_ensemble(plan, data, members, task.mean).model_dump_json().encode()


def read_members(plan: Plan, members: Sequence[SavedCheckpoint], artifacts: Artifacts) -> Iterator[nn.Module]:
    """Yields the trained models. Raises MemberLost, and StorageUnavailable."""
    for named in members:
        model = build_model(plan)
        try:
            model.load_state_dict(safetensors.torch.load(read_weights(named, artifacts)))
        except (Damaged, SafetensorError) as error:
            raise MemberLost(named, error) from error
        yield model


def measure_ensemble(plan: Plan, data: Data, members: Sequence[nn.Module], mean: Mean) -> EnsembleMetrics:
    """Returns the metrics of the mean of trained models."""
    model = Ensemble(members, [(target.columns, target.loss) for target in plan.targets], mean).eval()
    if plan.has_maps:
        # As in training, because the layout decides how sums are rounded.
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return EnsembleMetrics(
        validation=finish(measure(plan, data, model, data.validation, "validation", RunningTotals())),
        test=finish(measure(plan, data, model, data.test, "test", RunningTotals())),
    )


def finish(work: Generator[None, None, Metrics]) -> dict[str, float | None]:
    """Does all the work of a measurement; returns its metrics, with None for those that are not finite."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            metrics: Metrics = end.value
            return {name: value if isfinite(value) else None for name, value in metrics.items()}
