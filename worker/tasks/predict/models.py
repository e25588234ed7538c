"""Loads trained models, and keeps the last ones in memory."""

from collections import OrderedDict
from dataclasses import dataclass

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetError, DatasetNotReady
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.artifacts import Artifacts, Damaged
from bakehouse.runs.migrations import migrate_recipe
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.settings import Settings
from bakehouse.tasks.predictions import PredictionRequest
from worker.attempt.failures import is_out_of_memory
from worker.attempt.sources import read_trained_recipe, read_weights
from worker.model.build import build_model
from worker.tasks.packed_sets import PACKING_SECONDS
from worker.tasks.predict.rows import RowReader

MAX_MODELS = 32
MAX_BYTES = 512 << 20
"""Limit on the bytes of all models that are kept; a larger one is kept alone."""


class CheckpointUnusable(Exception):
    """Raised if a checkpoint cannot predict; the message says why and what to do."""

    def __init__(self, request: PredictionRequest, why: str) -> None:
        super().__init__(f"The checkpoint of epoch {request.epoch} of the run {request.run} cannot predict: {why}.")


@dataclass(frozen=True)
class TrainedModel:
    """A model with its weights, ready to predict."""

    plan: Plan
    module: nn.Module
    reader: RowReader
    bytes: int


class Models:
    """The models of the checkpoints that were asked last, by the digests of their weights."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalog = Catalog(settings)
        self._kept: OrderedDict[str, TrainedModel] = OrderedDict()

    def get(self, request: PredictionRequest) -> TrainedModel:
        """Returns the model of a checkpoint. Raises CheckpointUnusable, DatasetNotReady and StorageUnavailable."""
        model = self._kept.get(request.sha256) or load_model(request, open_artifacts(self._settings), self._catalog)
        self._kept[request.sha256] = model
        self._kept.move_to_end(request.sha256)
        while len(self._kept) > 1 and (len(self._kept) > MAX_MODELS or self._bytes() > MAX_BYTES):
            self._kept.popitem(last=False)
        return model

    def _bytes(self) -> int:
        return sum(model.bytes for model in self._kept.values())


def load_model(request: PredictionRequest, artifacts: Artifacts, catalog: Catalog) -> TrainedModel:
    """Builds the model of a checkpoint from the recipe in its file."""
    named = SavedCheckpoint(run=request.run, epoch=request.epoch, sha256=request.sha256)
    try:
        content = read_weights(named, artifacts)
        # An earlier version may have written the checkpoint, with former names of fields.
        recipe = read_recipe(migrate_recipe(read_trained_recipe(content)))
        card = catalog.card(recipe.dataset.id, wait_seconds=PACKING_SECONDS)
        if request.fingerprint not in (None, card.fingerprint):
            message = f"the data set {recipe.dataset.id} has changed since the run was trained, and its columns and "
            message += "classes are those of the model; put its old files back, or, if its files are the same, this "
            raise CheckpointUnusable(request, message + "version of Bakehouse reads them in another way: train again")
        return as_trained(make_plan(recipe, card), content)
    except Damaged as error:
        message = f"{error}; restore it from a backup, or retry the run to train the same weights again"
        raise CheckpointUnusable(request, message) from error
    except DatasetNotReady:
        raise
    except DatasetError as error:
        message = f"its data set, whose columns and classes are those of the model, cannot be used: {error}"
        raise CheckpointUnusable(request, message) from error
    # Torch raises RuntimeError if the names or shapes of weights are not those of the model.
    except (RecipeInvalid, SafetensorError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        why = str(error).partition("\n")[0][:300]
        message = f"another version of Bakehouse wrote it, and this version cannot build its model ({why}); predict "
        raise CheckpointUnusable(request, message + "with that version, or retry the run to train it again") from error


def as_trained(plan: Plan, content: bytes) -> TrainedModel:
    """Builds the model of a plan with the weights of a safetensors file."""
    module = build_model(plan)
    module.load_state_dict(safetensors.torch.load(content))
    module.eval()
    if plan.has_maps:
        # As in training, because the layout decides how sums are rounded.
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return TrainedModel(plan, module, RowReader(plan), len(content))
