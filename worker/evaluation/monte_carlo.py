"""Averages outputs over dropout masks. Gal & Ghahramani 2016, arXiv 1506.02142."""

from collections.abc import Generator

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import DropConnect, Dropout, walk
from bakehouse.plan.plan import Plan
from worker.data.batches import BATCH_ROWS
from worker.evaluation.averaging import Means
from worker.seeds import Seeds, device_generator

Prediction = tuple[Tensor, Tensor]
"""The outputs of the whole model, and the uncertainty of each row."""


def monte_carlo(plan: Plan, model: nn.Module, inputs: Tensor) -> Generator[None, None, Prediction]:
    """Averages predictions with dropout as in training, and all other layers (norms too) as in evaluation. Yields after
    each pass over a batch."""
    passes = plan.recipe.evaluation.monte_carlo_samples
    seeds = Seeds(plan.recipe.seed, "monte_carlo")
    generator = device_generator(inputs.device)
    model.eval()
    for name, layer in walk(plan.root):
        if isinstance(layer, Dropout | DropConnect):
            model.get_submodule(name).train()
    means = []
    for batch, rows in enumerate(torch.split(inputs, BATCH_ROWS)):
        mean = Means(plan.targets)
        for number in range(passes):
            # Each pass has its own seed, so that a resumed run gets the same metrics.
            generator.manual_seed(seeds.at(batch * passes + number))
            with torch.inference_mode():
                mean.add(model(rows))
            yield
        means.append(mean)
    model.eval()
    return torch.cat([mean.outputs() for mean in means]), torch.cat([mean.uncertainty() for mean in means])
