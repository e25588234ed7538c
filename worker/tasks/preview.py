"""Draws training rows beside what the augmentation of a recipe makes of them.

The rows and the draws come from `Batches`, which makes the batches of training, so that the first draw is what the
model gets in its first step on the CPU. A curriculum, which needs a trained model, and an attack, which follows from
the weights, are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import torch
from torch import Tensor

from bakehouse.data.catalog import Catalog
from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.open_artifacts import open_artifacts
from bakehouse.settings import Settings
from bakehouse.tasks.preview import DRAWS, ROWS, PreviewDescription, pack
from worker.attempt.sources import read_sources
from worker.data.batches import Batches
from worker.data.dataset import Data, column, load_data
from worker.model.initialize import normalization_layer
from worker.model.modules import Normalize
from worker.tasks.cells import Cells, draw_cells
from worker.tasks.grid import draw_grid
from worker.tasks.packed_sets import PACKING_SECONDS, find_packed
from worker.training.curriculum import AllRows
from worker.types import Weights

MAX_NUMBERS = 4 << 20
"""Limit on the numbers of the batch. A larger batch is cut, so that its draws differ from those of the first step."""
PHASES = ("pixels", "inputs", "mixing")


@dataclass(frozen=True)
class Samples:
    """Normalised samples as the model gets them."""

    originals: Tensor
    draws: Sequence[Tensor]
    """For each draw, the same rows as `originals`."""
    labels: tuple[str, ...]


def preview(settings: Settings, document: JsonObject) -> bytes:
    """Returns the picture with its description. The document has a canonical recipe and the fingerprint of its data."""
    recipe = read_recipe(document["recipe"])
    catalog = Catalog(settings)
    _, card = find_packed(catalog, recipe.dataset.id, document["fingerprint"])
    artifacts = open_artifacts(settings)
    sources = read_sources(recipe, catalog, lambda _: artifacts, wait_seconds=PACKING_SECONDS)
    plan = make_plan(recipe, card, {sha256: source.plan for sha256, source in sources.items()})
    weights = {sha256: source.weights for sha256, source in sources.items()}
    folder = catalog.sized_folder(recipe.dataset.id, plan.picture_size, wait_seconds=PACKING_SECONDS)
    return draw_preview(plan, load_data(plan, folder, torch.device("cpu")), weights)


def draw_preview(plan: Plan, data: Data, checkpoints: Mapping[str, Weights]) -> bytes:
    """Returns the picture with its description."""
    normalize = normalization_layer(plan, data, checkpoints)
    samples = draw_samples(plan, data, normalize)
    cells = draw_cells(plan.card, samples.originals, samples.draws, normalize)
    grid = draw_grid(cells.rows)
    return pack(describe(plan, samples, cells, grid.layout), grid.png)


def draw_samples(plan: Plan, data: Data, normalize: Normalize) -> Samples:
    """Returns the first rows of the first batch of training, and what its first steps would make of them."""
    layout = torch.channels_last if plan.has_maps else torch.contiguous_format
    batches = Batches(plan, data, normalize, layout, AllRows(plan.sizes.train).subset)
    rows = batches.order(0)[: min(plan.recipe.batch_size, max(ROWS, MAX_NUMBERS // plan.card.features))]
    [(inputs, targets)] = batches.gather(rows)
    steps = range(DRAWS if plan.recipe.augmentation else 0)
    # The draws of the next steps are for the same rows, which training would only meet again in the next epoch.
    draws = [batches.transform(inputs, targets, step)[0][:ROWS] for step in steps]
    shown = rows[:ROWS]
    return Samples(normalize(data.train.take(shown)), draws, labels(plan, data.train.targets[shown]))


def labels(plan: Plan, targets: Tensor) -> tuple[str, ...]:
    """Returns the label of the main target for each row; an empty text where it is missing."""
    classes = plan.data.main.classes
    values = column(targets, 0).tolist()
    if classes is None:
        return tuple("" if isnan(value) else f"{value:g}" for value in values)
    return tuple(classes[int(value)] if value >= 0 else "" for value in values)


def describe(plan: Plan, samples: Samples, cells: Cells, layout: JsonObject) -> PreviewDescription:
    """Describes the picture in numbers and words."""
    augmentation = sorted(plan.recipe.augmentation, key=lambda spec: PHASES.index(spec.phase))
    transforms = tuple(spec.type for spec in augmentation)
    shown = ", ".join(label or "no label" for label in samples.labels)
    rows = f"{len(samples.labels)} training rows of {plan.card.id}, labelled {shown}"
    draws = f": each original, and {len(samples.draws)} draws of {', '.join(transforms)}" if transforms else ""
    return PreviewDescription(
        **layout,
        shows=cells.shows,
        draws=len(samples.draws),
        labels=samples.labels,
        transforms=transforms,
        text=f"{rows}{draws}." if transforms else f"{rows}. The recipe has no augmentation.",
    )
