"""Trains a recipe on a built-in data set in this process."""

from typing import Any

import torch

from bakehouse.data.known_datasets import BUILTIN
from bakehouse.data.packed_folders import read_card
from bakehouse.plan.plan import make_plan
from bakehouse.recipe.read import read_recipe
from worker.data.dataset import load_data
from worker.training.events import Finished, NonFinite
from worker.training.training import Training

Document = dict[str, Any]


def finished_training(document: Document) -> tuple[Training, Finished | NonFinite]:
    """Trains to the end; returns the training and how it ended."""
    recipe = read_recipe(document)
    folder = BUILTIN / recipe.dataset.id
    plan = make_plan(recipe, read_card(folder))
    device = torch.device("cpu")
    training = Training(plan, load_data(plan, folder, device), device)
    try:
        [ending] = [event for event in training.run() if isinstance(event, Finished)]
    except NonFinite as error:
        return training, error
    return training, ending
