"""Averages outputs over dropout masks. Gal & Ghahramani 2016, arXiv 1506.02142."""

from collections.abc import Generator
from itertools import islice

import torch
from torch import nn

from bakehouse.plan.layers import DropConnect, Dropout, walk
from bakehouse.plan.plan import Plan
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Split
from worker.evaluation.averaging import Averages
from worker.seeds import Seeds, device_generator


def monte_carlo(plan: Plan, model: nn.Module, split: Split, averages: Averages) -> Generator[None, None, None]:
    """Averages predictions with dropout as in training, and all other layers (norms too) as in evaluation. `averages`
    may have the first passes already. Yields after each pass over a batch."""
    passes = plan.recipe.evaluation.monte_carlo_samples
    seeds = Seeds(plan.recipe.seed, "monte_carlo")
    generator = device_generator(split.device)
    model.eval()
    for name, layer in walk(plan.root):
        if isinstance(layer, Dropout | DropConnect):
            model.get_submodule(name).train()
    done = len(averages.outputs)
    for batch, (rows, _) in islice(enumerate(split.batches(BATCH_ROWS)), done, None):
        for number in range(averages.passes, passes):
            # Each pass has its own seed, so that a resumed run gets the same metrics.
            generator.manual_seed(seeds.at(batch * passes + number))
            with torch.inference_mode():
                averages.add(model(rows))
            yield
        averages.end_batch()
    model.eval()
