"""Resume states that version 0.1.0 wrote: a run that it left unfinished ends as one that was never interrupted.

Each folder of `states_0_1_0` has a recipe and the state of its training in the middle, made by 0.1.0; `state.bin` is
safetensors.
"""

import json
from pathlib import Path

import pytest
import torch

from tests.small_trainings import DIGITS_CNN, make_training, run_to_end, train_source
from worker.attempt.snapshot import POSITION, TENSORS, restore

STATES = sorted((Path(__file__).parent / "states_0_1_0").iterdir())
# Without random numbers in its steps, whose bits differ between versions; so are the recipes in the folders.
TEACHER = {
    **DIGITS_CNN,
    "architecture": {"type": "cnn", "channels": [6, 8], "hidden": [16]},
    "dropout": "none",
    "augmentation": "none",
}


@pytest.mark.parametrize("folder", STATES, ids=lambda folder: folder.name)
def test_a_state_of_0_1_0_is_resumed_where_it_was(folder: Path) -> None:
    recipe = json.loads((folder / "recipe.json").read_text())
    if "pretraining" in recipe:
        recipe["pretraining"]["teacher"] = train_source(TEACHER)
    whole, resumed = make_training(recipe), make_training(recipe)
    restore(resumed, {POSITION: (folder / POSITION).read_bytes(), TENSORS: (folder / "state.bin").read_bytes()})
    steps = [item["step"] for item in run_to_end(whole).logged if "loss" in item]
    resumed_steps = [item["step"] for item in run_to_end(resumed).logged if "loss" in item]
    assert resumed_steps == steps[len(steps) - len(resumed_steps) :]
    # Processors differ in the last bits, and the states come from one machine.
    for name, tensor in whole.weights().items():
        torch.testing.assert_close(resumed.weights()[name], tensor, rtol=1e-3, atol=1e-4)
